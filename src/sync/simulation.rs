//! placeholder
/// Which safeguard is taken out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ablation {
    pub no_intent: bool,
    pub no_settle_wait: bool,
    pub no_freshness: bool,
}
