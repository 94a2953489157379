//! The model in stateright's Explorer: with pictures on its own page, or on a page of ours.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`drawing`] | the ring as a model that draws its states, for the Explorer |
//! | [`by_hand`] | runs made by hand: what they show, and how they are written down |
//! | [`page`] | the page on which a ring is explored, for a front to serve |

#![forbid(unsafe_code)]

pub mod by_hand;
pub mod drawing;
pub mod page;
