//! Named points at which a test can end the process, to see what it finds when it starts again.
//!
//! Only with the feature `failpoints`, which no release has; without it [`reach`] is nothing. The
//! variable `FAILPOINTS` says which and when, in the words of the crate `fail`:
//! `FAILPOINTS="till.before_commit=2*off->return"` ends the process at the third passage.

/// Ends the process here, when `FAILPOINTS` asks for it.
#[cfg(feature = "failpoints")]
pub fn reach(name: &'static str) {
    // As a power cut would: no destructor runs, nothing is flushed.
    fail::fail_point!(name, |_| std::process::abort());
}

/// Nothing: this program was built without the feature `failpoints`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn reach(_: &'static str) {}

/// Reads `FAILPOINTS`, for as long as what is returned lives.
#[cfg(feature = "failpoints")]
#[must_use]
pub fn listen() -> impl Sized {
    fail::FailScenario::setup()
}

/// Nothing: this program was built without the feature `failpoints`.
#[cfg(not(feature = "failpoints"))]
#[must_use]
pub fn listen() -> impl Sized {}
