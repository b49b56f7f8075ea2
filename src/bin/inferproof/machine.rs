//! `inferproof calibrate-machine`.

use crate::Outcome;
use crate::failure::Failure;
use crate::progress::Stages;
use clap::Args;
use inferproof::costs;
use inferproof_circuits::plan::ProverCosts;
use rand_core::OsRng;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `calibrate-machine`.
#[derive(Args)]
pub(crate) struct CalibrateMachine {
    /// File to write; by default inferproof/machine.json in the user's folder for settings, where `inspect` looks.
    #[arg(short, long)]
    output: Option<PathBuf>,
}

impl CalibrateMachine {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let path = self.output.clone().map_or_else(costs::default_path, Ok)?;
        let mut stages = Stages::default();
        let costs = stages.run("measure", || costs::measure(OsRng))?;
        costs::save(&costs, &path)?;
        let text = format!(
            "a proof   {:.2} CPU-s, and {:.2} more for 10,000 rows\nwritten   {}\n{}",
            costs.seconds,
            1e4 * costs.seconds_per_row,
            path.display(),
            stages.to_text()
        );
        Ok(Outcome { json: json!({ "ok": true, "costs": costs, "path": path, "seconds": stages.to_json() }), text })
    }
}

/// This machine's costs and whether they were measured.
pub(crate) fn costs() -> Result<(ProverCosts, bool), Failure> {
    let measured = match costs::default_path() {
        Ok(path) => costs::load(path)?,
        Err(_) => None,
    };
    Ok(measured.map_or((ProverCosts::default(), false), |costs| (costs, true)))
}
