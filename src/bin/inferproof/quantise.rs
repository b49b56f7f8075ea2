//! `inferproof quantise`.

use crate::Outcome;
use crate::failure::Failure;
use crate::progress::Stages;
use clap::Args;
use inferproof::artefact::replace_file;
use inferproof::onnx;
use inferproof::quantise::{Options, Samples, quantise, source_digest};
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `quantise`.
#[derive(Args)]
pub(crate) struct Quantise {
    /// ONNX model.
    model: PathBuf,
    /// Calibration samples (.npz or .npy).
    #[arg(long)]
    samples: PathBuf,
    /// Quantised model to write (.ifq); it holds the weights.
    #[arg(short, long)]
    output: PathBuf,
    /// Accuracy report to write (JSON).
    #[arg(long)]
    report: Option<PathBuf>,
    /// Bits of every activation, 4 to 16.
    #[arg(long)]
    bits: Option<u32>,
    /// Layers divide by 2^SHIFT, 4 to 40.
    #[arg(long)]
    shift: Option<u32>,
}

impl Quantise {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let mut stages = Stages::default();
        let bytes = std::fs::read(&self.model)
            .map_err(|e| Failure::Unusable(format!("cannot read {}: {e}", self.model.display())))?;
        let graph = stages.run("import", || onnx::import(&bytes))?;
        let samples = Samples::load(&self.samples, graph.input_shape())?;
        let defaults = Options::default();
        let name = self.model.file_stem().map_or_else(|| defaults.name.clone(), |s| s.to_string_lossy().into_owned());
        let options = Options {
            activation_bits: self.bits.unwrap_or(defaults.activation_bits),
            shift: self.shift.unwrap_or(defaults.shift),
            name,
            source_digest: source_digest(&bytes),
            ..defaults
        };
        let (model, report) = stages.run("quantise", || quantise(&graph, &samples, &options))?;
        model.save(&self.output)?;
        if let Some(path) = &self.report {
            replace_file(path, &[&serde_json::to_vec_pretty(&report)?], false)?;
        }
        let digest = hex::encode(model.digest()?);
        let text = format!("{report}\nwritten  {} (digest {digest})\n{}", self.output.display(), stages.to_text());
        Ok(Outcome {
            json: json!({ "ok": true, "digest": digest, "report": report, "seconds": stages.to_json() }),
            text,
        })
    }
}
