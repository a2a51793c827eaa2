//! The engine under a seeded simulator: the real planner, pusher, proof and store in one thread, on a
//! simulated disk, between two simulated remotes, with crashes at arbitrary await points.
//!
//! Remotes: one-second stamps, listings and look-ups that lag behind writes, requests that are lost,
//! answers that are lost, requests that arrive after the caller gave up, values respelled on write; every
//! other iVvy lists by offset, and its pages shift all the time. People of the CRM merge records.
//! A run is a function of its seed. `TANDEM_SEEDS=from..to` widens or narrows the range.

mod check;
pub(super) mod disk;
mod drive;
mod lanes;
mod remote;

/// Which safeguard is taken out, to show that the checks would notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ablation {
    /// No memory of what was sent: after a crash or a lost answer the write is sent again blindly.
    pub no_intent: bool,
    /// Proof at once instead of after the settle time.
    pub no_settle_wait: bool,
    /// No comparison of the target with the plan before the write.
    pub no_freshness: bool,
}

mod tests {
    use super::Ablation;
    use super::drive::simulate;

    /// Seeds of this run: `TANDEM_SEEDS=17..18` replays one.
    fn seeds(default: std::ops::Range<u64>) -> std::ops::Range<u64> {
        let given = std::env::var("TANDEM_SEEDS").ok();
        let parsed = given
            .as_deref()
            .and_then(|text| text.split_once(".."))
            .map(|(from, to)| from.parse().expect("TANDEM_SEEDS=from..to")..to.parse().expect("TANDEM_SEEDS=from..to"));
        parsed.unwrap_or(default)
    }

    fn assert_holds(seeds: std::ops::Range<u64>) {
        for seed in seeds {
            let report = simulate(seed, Ablation::default());
            assert!(report.violations.is_empty(), "seed {seed}: {:#?}", report.violations);
            assert!(report.writes > 0, "seed {seed}: the run did nothing");
        }
    }

    /// I1 to I15, I22, I24 under crashes, lost messages and lag: 300 seeds, in two halves so that two
    /// cores share them.
    #[test]
    fn full_protocol_keeps_the_invariants_i1_to_i15_i22_first_half() {
        assert_holds(seeds(0..150));
    }

    #[test]
    fn full_protocol_keeps_the_invariants_i1_to_i15_i22_second_half() {
        assert_holds(seeds(150..300));
    }

    /// An iVvy whose pages shift all the time is read in slices, and then whole: the checks of a run say
    /// that nothing was missed and that the sweeps ended.
    #[test]
    fn shifting_pages_are_read_in_slices_of_time_i12() {
        let mut sliced = 0;
        for seed in (1..40).step_by(2) {
            let report = simulate(seed, Ablation::default());
            assert!(report.violations.is_empty(), "seed {seed}: {:#?}", report.violations);
            sliced += usize::from(report.slices > 0);
        }
        assert!(sliced >= 10, "the pages held still in all but {sliced} runs");
    }

    /// A run is a function of its seed, otherwise a failing one could not be looked into.
    #[test]
    fn same_seed_same_run() {
        for seed in [3, 7] {
            assert_eq!(simulate(seed, Ablation::default()), simulate(seed, Ablation::default()));
        }
    }

    fn assert_noticed(ablation: Ablation) {
        let noticed = seeds(0..200).any(|seed| !simulate(seed, ablation).violations.is_empty());
        assert!(noticed, "{ablation:?} went unnoticed");
    }

    #[test]
    fn without_the_intent_the_checks_fail() {
        assert_noticed(Ablation { no_intent: true, ..Ablation::default() });
    }

    #[test]
    fn without_the_settle_wait_the_checks_fail() {
        assert_noticed(Ablation { no_settle_wait: true, ..Ablation::default() });
    }

    #[test]
    fn without_the_freshness_read_the_checks_fail() {
        assert_noticed(Ablation { no_freshness: true, ..Ablation::default() });
    }
}
