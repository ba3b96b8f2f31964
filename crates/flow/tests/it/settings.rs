//! How much of a simulation is run: little by `cargo test`, more by `cargo xtask sim`.

#[expect(
    clippy::disallowed_methods,
    reason = "`cargo xtask sim` hands its flags over this way"
)]
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}
