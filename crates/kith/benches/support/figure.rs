//! One line of the page.

use serde_json::json;

/// Something measured.
pub(crate) struct Figure {
    what: &'static str,
    unit: &'static str,
    goal: &'static str,
    samples: Vec<f64>,
    anchor: Option<(&'static str, Vec<f64>)>,
}

impl Figure {
    pub(crate) fn new(
        what: &'static str,
        unit: &'static str,
        goal: &'static str,
        samples: Vec<f64>,
    ) -> Self {
        Self { what, unit, goal, samples, anchor: None }
    }

    /// What it is measured against, in the same unit.
    pub(crate) fn against(mut self, what: &'static str, samples: Vec<f64>) -> Self {
        self.anchor = Some((what, samples));
        self
    }

    pub(crate) fn print(self) {
        let anchor = self.anchor.map(|(what, samples)| json!({ "what": what, "samples": samples }));
        println!(
            "{}",
            json!({
                "what": self.what, "unit": self.unit, "goal": self.goal,
                "samples": self.samples, "anchor": anchor,
            })
        );
    }
}
