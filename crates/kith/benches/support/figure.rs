//! One line of the page.

use serde_json::json;

/// Something measured.
pub(crate) struct Figure {
    what: String,
    unit: &'static str,
    goal: &'static str,
    samples: Vec<f64>,
    few: bool,
    anchor: Option<(&'static str, Vec<f64>)>,
}

/// Begins a part of the bench, where it is wanted: all are, unless `KITH_BENCH_PART` names one.
pub(crate) fn begin(part: &str) -> bool {
    let wanted = std::env::var("KITH_BENCH_PART").unwrap_or_default();
    let is_wanted = wanted.is_empty() || wanted == part;
    if is_wanted {
        println!("{}", json!({ "part": part }));
    }
    is_wanted
}

impl Figure {
    /// A goal is empty, or `≤` or `≥` and a number that the median must reach; with `ratio` in front, that
    /// its ratio to the anchor's must.
    pub(crate) fn new(
        what: impl Into<String>,
        unit: &'static str,
        goal: &'static str,
        samples: Vec<f64>,
    ) -> Self {
        Self { what: what.into(), unit, goal, samples, few: false, anchor: None }
    }

    /// What it is measured against, in the same unit.
    pub(crate) fn against(mut self, what: &'static str, samples: Vec<f64>) -> Self {
        self.anchor = Some((what, samples));
        self
    }

    /// It takes so long that it is measured fewer than five times.
    pub(crate) fn of_few(mut self) -> Self {
        self.few = true;
        self
    }

    pub(crate) fn print(self) {
        let anchor = self.anchor.map(|(what, samples)| json!({ "what": what, "samples": samples }));
        println!(
            "{}",
            json!({
                "what": self.what, "unit": self.unit, "goal": self.goal,
                "samples": self.samples, "few": self.few, "anchor": anchor,
            })
        );
    }
}
