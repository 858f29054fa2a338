//! Samples to rows: median and range of ours and of the peer, and their ratio.
//!
//! Ratios are of medians that were measured in turn within one run, so that a loaded machine slows both.

/// Samples of one figure.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    #[allow(dead_code, reason = "each benchmark compiles this file, and some collect their samples")]
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle one; NaN where there are none.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    fn text(&self, unit: &str) -> String {
        let sorted = self.sorted();
        let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else { return "-".to_owned() };
        format!("{} ({}..{}) {unit}", number(self.median()), number(*least), number(*most))
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// What is good enough.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// Ours below this, in the row's unit.
    Below(f64),
    /// Ours at most this often the peer's.
    #[allow(dead_code, reason = "each benchmark compiles this file, and has goals of its own kind")]
    AtMostTimes(f64),
    /// Ours at least this often the peer's.
    #[allow(dead_code, reason = "each benchmark compiles this file, and has goals of its own kind")]
    AtLeastTimes(f64),
    /// Only reported.
    None,
}

/// Prints the columns' names.
pub fn heading(title: &str, rounds: &str) {
    println!("\n{title}; median (least..most) of {rounds}");
    println!("{:34} {:>30} {:>30} {:>7}  target", "", "ours", "peer", "ratio");
}

/// Prints one figure, and whether it meets its target.
pub fn row(name: &str, unit: &str, ours: &Samples, peer: &Samples, target: Target) {
    let ratio = ours.median() / peer.median();
    let (met, wanted) = match target {
        Target::Below(limit) => (ours.median() < limit, format!("< {} {unit}", number(limit))),
        Target::AtMostTimes(limit) => (ratio <= limit, format!("<= {limit}x")),
        Target::AtLeastTimes(limit) => (ratio >= limit, format!(">= {limit}x")),
        Target::None => (true, String::new()),
    };
    let verdict = match (target, met) {
        (Target::None, _) => "",
        (_, true) => "met",
        (_, false) => "MISSED",
    };
    let ratio = if ratio.is_finite() { format!("{ratio:.2}x") } else { "-".to_owned() };
    println!("{name:34} {:>30} {:>30} {ratio:>7}  {wanted} {verdict}", ours.text(unit), peer.text(unit));
}

fn number(value: f64) -> String {
    let digits = match value {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}
