//! Requests: what a caller of `qi_submit_sync` brings.

use super::RingCfg;
use super::faults::{FaultClass, Faults};
use super::ring::{IdKind, MAX_IDS, RingError, id_kind_bits, id_kind_from_bits};

/// What a caller of `qi_submit_sync` brings: its IDs, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    count: u8,
    /// Two bits an ID, the first [`MAX_IDS`] of them; those behind are for the unit itself.
    kinds: u32,
    invalid_wd: bool,
}

impl Request {
    /// `count` IDs for the unit itself.
    pub fn plain(count: u8) -> Request {
        Request { count, kinds: 0, invalid_wd: false }
    }

    /// IDs of given kinds.
    ///
    /// # Panics
    /// If there are more than [`MAX_IDS`].
    pub fn of(ids: &[IdKind]) -> Request {
        assert!(ids.len() <= MAX_IDS.into(), "{} IDs", ids.len());
        let kinds = ids.iter().enumerate().map(|(i, kind)| u32::from(id_kind_bits(*kind)) << (2 * i)).sum();
        Request { count: ids.len() as u8, kinds, invalid_wd: false }
    }

    /// The same with a WD that the unit refuses.
    pub fn with_invalid_wd(self) -> Request {
        Request { invalid_wd: true, ..self }
    }

    /// Number of IDs.
    pub fn count(self) -> u8 {
        self.count
    }

    /// What an ID asks for.
    pub fn kind(self, number: u8) -> IdKind {
        match number {
            0..MAX_IDS => id_kind_from_bits((self.kinds >> (2 * number) & 3) as u8),
            _ => IdKind::Unit,
        }
    }

    /// The kinds of all IDs.
    pub fn kinds(self) -> impl Iterator<Item = IdKind> {
        (0..self.count).map(move |number| self.kind(number))
    }

    /// Whether the unit refuses its WD.
    pub fn has_invalid_wd(self) -> bool {
        self.invalid_wd
    }

    /// How many faults it brings.
    pub fn faults(self) -> u8 {
        self.kinds().filter(|kind| *kind == IdKind::Invalid).count() as u8 + u8::from(self.invalid_wd)
    }

    /// How it is written: the count, or the IDs one by one (`u` unit, `d1` a device, `!` invalid), `w!` for an invalid WD.
    pub fn text(self) -> String {
        if self.kinds == 0 && !self.invalid_wd {
            return self.count.to_string();
        }
        let mut words: Vec<String> = self
            .kinds()
            .map(|kind| match kind {
                IdKind::Unit => "u".to_string(),
                IdKind::Device(device) => format!("d{device}"),
                IdKind::Invalid => "!".to_string(),
            })
            .collect();
        words.extend(self.invalid_wd.then(|| "w!".to_string()));
        words.join(" ")
    }
}

/// Every call that can be made: for each count all choices of kinds, with at most as many invalid descriptors as the bound.
pub(super) fn requests(counts: &[u8], faults: &Faults) -> Result<Vec<Request>, RingError> {
    let mut all = Vec::new();
    let mut kinds = vec![IdKind::Unit];
    kinds.extend((1..=faults.devices).map(IdKind::Device));
    kinds.extend(faults.includes(FaultClass::InvalidId).then_some(IdKind::Invalid));
    for &count in counts {
        if kinds.len() == 1 {
            all.push(Request::plain(count));
        } else {
            if kinds.len().saturating_pow(count.into()) > 4096 {
                return Err(RingError::Requests(kinds.len().saturating_pow(count.into())));
            }
            let mut lists: Vec<Vec<IdKind>> = vec![Vec::new()];
            for _ in 0..count {
                let longer = |list: &Vec<IdKind>| kinds.iter().map(|kind| [&list[..], &[*kind]].concat()).collect();
                lists = lists.iter().flat_map(|list| -> Vec<_> { longer(list) }).collect();
            }
            all.extend(lists.iter().map(|list| Request::of(list)));
        }
    }
    if faults.includes(FaultClass::InvalidWd) {
        all.extend(all.clone().into_iter().map(Request::with_invalid_wd));
    }
    all.retain(|request| request.faults() <= faults.bound);
    if all.len() > 255 {
        return Err(RingError::Requests(all.len()));
    }
    Ok(all)
}

/// Checks calls that are given one by one.
///
/// # Errors
/// [`RingError::Requests`], [`RingError::UnknownKind`], [`RingError::UnknownInvalidWd`].
pub(super) fn validate_requests(requests: &[Request], cfg: &RingCfg) -> Result<(), RingError> {
    if requests.len() > 255 {
        return Err(RingError::Requests(requests.len()));
    }
    let faults = &cfg.faults;
    let is_known = |kind: &IdKind| match *kind {
        IdKind::Unit => true,
        IdKind::Device(device) => cfg.checks_faults() && (1..=faults.devices).contains(&device),
        IdKind::Invalid => faults.includes(FaultClass::InvalidId),
    };
    for request in requests {
        if let Some(kind) = request.kinds().find(|kind| !is_known(kind)) {
            return Err(RingError::UnknownKind(kind));
        }
        if request.has_invalid_wd() && !faults.includes(FaultClass::InvalidWd) {
            return Err(RingError::UnknownInvalidWd);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_all_choices_within_the_bound() {
        let faults = Faults::of([FaultClass::InvalidId, FaultClass::LostAnswer], 1);
        let texts: Vec<String> = requests(&[0, 2], &faults).unwrap().into_iter().map(Request::text).collect();
        assert_eq!(texts, ["0", "2", "u d1", "u !", "d1 u", "d1 d1", "d1 !", "! u", "! d1"]);
        assert_eq!(requests(&[0, 254], &Faults::none()).unwrap(), [Request::plain(0), Request::plain(254)]);
    }

    #[test]
    fn given_calls_ask_for_what_is_modelled() {
        use super::super::{RingCfg, Rules};
        let cfg = |classes: &[FaultClass]| RingCfg {
            faults: Faults::of(classes, u8::from(!classes.is_empty())),
            ..RingCfg::new(Rules::G5, 1, [1])
        };
        let error = |classes: &[FaultClass], request| validate_requests(&[request], &cfg(classes)).err();
        let (device, invalid) = (Request::of(&[IdKind::Device(1)]), Request::of(&[IdKind::Unit, IdKind::Invalid]));
        assert_eq!(error(&[FaultClass::LostAnswer], device), None);
        assert_eq!(error(&[], device), Some(RingError::UnknownKind(IdKind::Device(1))));
        assert_eq!(error(&[FaultClass::InvalidId], invalid), None);
        assert_eq!(error(&[FaultClass::LostAnswer], invalid), Some(RingError::UnknownKind(IdKind::Invalid)));
        let invalid_wd = Request::plain(0).with_invalid_wd();
        assert_eq!(error(&[FaultClass::InvalidWd], invalid_wd), None);
        assert_eq!(error(&[FaultClass::InvalidId], invalid_wd), Some(RingError::UnknownInvalidWd));
        let many = vec![Request::plain(1); 256];
        assert_eq!(validate_requests(&many, &cfg(&[])), Err(RingError::Requests(256)));
        assert_eq!(validate_requests(&many[1..], &cfg(&[])), Ok(()));
    }

    #[test]
    fn an_invalid_wd_is_a_fault_of_its_own() {
        let texts: Vec<String> =
            requests(&[1], &Faults::of([FaultClass::InvalidWd], 1)).unwrap().into_iter().map(Request::text).collect();
        assert_eq!(texts, ["1", "u w!"]);
    }
}
