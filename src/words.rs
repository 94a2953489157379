//! Enums whose values are words: in the tables of `data/`, in options, in the constants of the TLA+ twin, in messages.
//!
//! [`words!`](crate::words!) declares such an enum and says each word once. From it come all values in order, the name of a value,
//! the value of a name, the list of legal words for a message, and serde's two traits.

use thiserror::Error;

/// An enum whose values are words.
///
/// ```
/// use vtd_qi::impl_qi::Reclaim;
/// use vtd_qi::words::Word;
///
/// assert_eq!(Reclaim::named("while-done"), Ok(Reclaim::WhileDone));
/// assert_eq!(Reclaim::WhileDone.name(), "while-done");
/// let error = Reclaim::named("sometimes").unwrap_err();
/// assert!(error.to_string().starts_with("\"sometimes\" is no value of reclaim; there are while-done, "));
/// ```
pub trait Word: Copy + Eq + 'static {
    /// What messages call the enum.
    const KIND: &'static str;

    /// The values and their names, in the order of their declaration.
    const WORDS: &'static [(Self, &'static str)];

    /// What each value means, in the same order: the documentation of the value.
    const MEANINGS: &'static [&'static str];

    /// The name of a value.
    fn name(self) -> &'static str;

    /// The value of a name.
    ///
    /// # Errors
    /// [`UnknownWord`], which lists the names that there are.
    fn named(word: &str) -> Result<Self, UnknownWord> {
        let value = Self::WORDS.iter().find(|(_, name)| *name == word).map(|(value, _)| *value);
        value.ok_or_else(|| UnknownWord {
            what: format!("value of {}", Self::KIND),
            word: word.to_string(),
            known: Self::WORDS.iter().map(|(_, name)| *name).collect(),
        })
    }
}

/// A word that names no value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{word:?} is no {what}{}; there are {}", meant(word, known.iter().copied()), known.join(", "))]
pub struct UnknownWord {
    /// What it should have been, such as `value of reclaim`.
    pub what: String,
    /// The word.
    pub word: String,
    /// The words that there are.
    pub known: Vec<&'static str>,
}

/// Declares enums that list their values: `ALL` holds each, in the order of declaration.
///
/// ```
/// vtd_qi::listed! {
///     /// What a coin shows.
///     #[derive(Debug, PartialEq)]
///     pub enum Side {
///         Heads,
///         Tails,
///     }
/// }
/// assert_eq!(Side::ALL, [Side::Heads, Side::Tails]);
/// ```
#[macro_export]
macro_rules! listed {
    ($(
        $(#[$attribute:meta])*
        $visible:vis enum $enum:ident {
            $($(#[$of_value:meta])* $value:ident,)+
        }
    )+) => {$(
        $(#[$attribute])*
        $visible enum $enum {
            $($(#[$of_value])* $value,)+
        }

        impl $enum {
            /// All values, in the order of their declaration.
            pub const ALL: [$enum; [$(stringify!($value)),+].len()] = [$($enum::$value),+];
        }
    )+};
}

/// A question to put behind an unknown word, such as ` (did you mean "reclaim"?)`, if one of the words that there are is like it.
///
/// ```
/// assert_eq!(vtd_qi::words::meant("g3-co1", ["g3-c01", "g4-c0"]), " (did you mean \"g3-c01\"?)");
/// assert_eq!(vtd_qi::words::meant("seldom", ["g3-c01", "g4-c0"]), "");
/// ```
pub fn meant<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> String {
    let likeness = |known: &str| strsim::jaro_winkler(word, known);
    let nearest = known.into_iter().map(|known| (likeness(known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, known)) if likeness >= ALIKE => format!(" (did you mean {known:?}?)"),
        _ => String::new(),
    }
}

/// How alike two words are that may have been mistaken for one another, of 1.
const ALIKE: f64 = 0.8;

/// Declares enums whose values are words: each is followed by its name, and the enum by what messages call it.
#[macro_export]
macro_rules! words {
    ($(
        $(#[$attribute:meta])*
        pub enum $enum:ident as $kind:literal {
            $($(#[doc = $meaning:literal])+ $(#[default $($default:lifetime)?])? $value:ident = $word:literal,)+
        }
    )+) => {$(
        $crate::listed! {
            $(#[$attribute])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub enum $enum {
                $($(#[doc = $meaning])+ $(#[default $($default)?])? $value,)+
            }
        }

        impl $enum {
            /// The word for a value in files, options, tables and constants.
            pub const fn name(self) -> &'static str {
                match self {
                    $($enum::$value => $word,)+
                }
            }
        }

        impl $crate::words::Word for $enum {
            const KIND: &'static str = $kind;
            const WORDS: &'static [(Self, &'static str)] = &[$(($enum::$value, $word)),+];
            const MEANINGS: &'static [&'static str] = &[$(concat!($($meaning),+)),+];

            fn name(self) -> &'static str {
                $enum::name(self)
            }
        }

        impl std::str::FromStr for $enum {
            type Err = $crate::words::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                <$enum as $crate::words::Word>::named(word)
            }
        }

        impl serde::Serialize for $enum {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $enum {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                word.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}
