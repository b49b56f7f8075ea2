//! `inferproof run`.

use crate::Outcome;
use crate::failure::Failure;
use crate::inputs::{Input, clipping, save_npy};
use clap::Args;
use inferproof::artefact::check_writable;
use inferproof::model::Model;
use inferproof_circuits::network::execute;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `run`.
#[derive(Args)]
pub(crate) struct Run {
    /// Quantised model (.ifq).
    model: PathBuf,
    #[command(flatten)]
    input: Input,
    /// Integer output to write (.npy).
    #[arg(short, long)]
    output: PathBuf,
}

impl Run {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        check_writable(&self.output)?;
        let model = Model::load(&self.model)?;
        let input = self.input.load(&model)?;
        let trace = execute(&model.architecture, &model.weights, &input.values)?;
        let output = trace.values[model.architecture.output].clone();
        let real = model.dequantise_output(&output)?;
        let real: Vec<f32> = real.iter().copied().collect();
        save_npy(&self.output, model.output_shape(), output.clone())?;
        let clipped = input.clipped;
        let text = format!(
            "output   {output:?}\nreal     {real:?}\n{}written  {}\n",
            clipping(clipped),
            self.output.display()
        );
        let json = json!({ "ok": true, "output": output, "real": real, "clipped": clipped });
        Ok(Outcome { json, text })
    }
}
