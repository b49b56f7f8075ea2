//! `inferproof evaluate`.

use crate::Outcome;
use crate::failure::Failure;
use crate::inputs::dimension;
use crate::progress::Stages;
use clap::Args;
use inferproof::artefact::{check_writable, replace_file};
use inferproof::graph::OutputForm;
use inferproof::model::Model;
use inferproof::onnx::{self, ImportOptions};
use inferproof::quantise::{Report, Samples, evaluate, evaluate_model, load_labels, source_digest};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `evaluate`.
#[derive(Args)]
pub(crate) struct Evaluate {
    /// Quantised model (.ifq).
    model: PathBuf,
    /// Inputs (.npz or .npy); labels may stand beside them, as an array of integers `y` or `labels`.
    #[arg(long)]
    inputs: PathBuf,
    /// The class of each input (.npy, integers), instead of those beside the inputs.
    #[arg(long)]
    labels: Option<PathBuf>,
    /// The ONNX model it was made of, to compare with.
    #[arg(long)]
    onnx: Option<PathBuf>,
    /// The form of the output that the model was quantised with; for `--onnx`.
    #[arg(long, default_value = "whole", requires = "onnx")]
    output_form: OutputForm,
    /// Size of a dimension that the ONNX model leaves open, for instance batch=1; may be given several times.
    #[arg(long, value_name = "NAME=SIZE", value_parser = dimension, requires = "onnx")]
    dim: Vec<(String, usize)>,
    /// Bar chart of each layer's SNR to write.
    #[arg(long, requires = "onnx")]
    svg: Option<PathBuf>,
}

/// The float network's part.
struct Compared {
    report: Report,
    /// Whether the model was made of this very file; `None` if it does not say of which.
    same_source: Option<bool>,
}

impl Evaluate {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let mut stages = Stages::default();
        self.svg.as_deref().map_or(Ok(()), check_writable)?;
        let model = Model::load(&self.model)?;
        let mut samples = Samples::load(&self.inputs, model.input_shape())?;
        if let Some(path) = &self.labels {
            samples = samples.with_labels(load_labels(path)?)?;
        }
        let evaluation = stages.run("evaluate", || evaluate_model(&model, &samples))?;
        let compared = match &self.onnx {
            Some(path) => Some(stages.run("compare", || self.compare(path, &model, &samples))?),
            None => None,
        };
        let mut text = evaluation.to_string();
        if let Some(Compared { report, same_source }) = &compared {
            text += &format!("\n{report}");
            if *same_source == Some(false) {
                text += "note: the model was made of another ONNX file\n";
            }
            if let Some(path) = &self.svg {
                replace_file(path, &[report.to_svg().as_bytes()], false)?;
                text += &format!("written  {}\n", path.display());
            }
        }
        text += &stages.to_text();
        let json = json!({
            "ok": true,
            "evaluation": evaluation,
            "report": compared.as_ref().map(|compared| &compared.report),
            "sameSource": compared.as_ref().and_then(|compared| compared.same_source),
            "seconds": stages.to_json(),
        });
        Ok(Outcome { json, text })
    }

    fn compare(&self, path: &Path, model: &Model, samples: &Samples) -> Result<Compared, Failure> {
        let bytes = onnx::read_file(path)?;
        let dims = ImportOptions { dims: self.dim.iter().cloned().collect() };
        let graph = onnx::import_with(&bytes, &dims)?.graph.with_output(&self.output_form)?;
        let is_known = model.source_digest != [0; 32];
        let same_source = is_known.then(|| model.source_digest == source_digest(&bytes));
        Ok(Compared { report: evaluate(&graph, model, samples)?, same_source })
    }
}
