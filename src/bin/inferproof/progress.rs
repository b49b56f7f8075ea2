//! Stages with their times: a spinner on a terminal, silence elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// The stages of one command.
#[derive(Default)]
pub(crate) struct Stages {
    done: Vec<(&'static str, f64)>,
}

impl Stages {
    /// Runs `work` as the stage `name`.
    pub(crate) fn run<T>(&mut self, name: &'static str, work: impl FnOnce() -> T) -> T {
        self.run_telling(name, |_| work())
    }

    /// The same; the work may say how far it is.
    pub(crate) fn run_telling<T>(&mut self, name: &'static str, work: impl FnOnce(&dyn Fn(&str)) -> T) -> T {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(name);
        bar.enable_steady_tick(Duration::from_millis(100));
        let start = Instant::now();
        let result = work(&|progress| bar.set_message(format!("{name}: {progress}")));
        bar.finish_and_clear();
        self.done.push((name, start.elapsed().as_secs_f64()));
        result
    }

    /// Seconds by stage.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        self.done.iter().map(|(name, seconds)| ((*name).to_string(), serde_json::json!(seconds))).collect()
    }

    /// One line with all stages.
    pub(crate) fn to_text(&self) -> String {
        let stages: Vec<String> = self.done.iter().map(|(name, s)| format!("{name} {s:.2} s")).collect();
        format!("time     {}\n", stages.join(", "))
    }
}
