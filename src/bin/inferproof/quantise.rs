//! `inferproof quantise`.

use crate::Outcome;
use crate::failure::Failure;
use crate::inputs::{dimension, interval};
use crate::machine;
use crate::progress::Stages;
use clap::Args;
use inferproof::artefact::{check_writable, replace_file};
use inferproof::graph::OutputForm;
use inferproof::model::Model;
use inferproof::onnx::{self, ImportOptions};
use inferproof::quantise::{
    Candidate, Explanation, Fixed, QuantiseOptions, Report, Samples, Target, Tuner, evaluate, quantise, quantise_like,
    source_digest,
};
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;

/// Arguments of `quantise`.
#[derive(Args)]
pub(crate) struct Quantise {
    /// ONNX model.
    model: PathBuf,
    /// Calibration samples (.npz or .npy).
    #[arg(long)]
    samples: PathBuf,
    /// Other samples for the report and for targets (.npz or .npy); without, the calibration samples decide.
    #[arg(long)]
    validate: Option<PathBuf>,
    /// Quantised model to write (.ifq); it holds the weights.
    #[arg(short, long)]
    output: PathBuf,
    /// Accuracy report to write (JSON).
    #[arg(long)]
    report: Option<PathBuf>,
    /// Bits of every activation, 4 to 16 (8 if not given).
    #[arg(long)]
    bits: Option<u32>,
    /// Layers divide by 2^SHIFT, 4 to 40 (10 if not given).
    #[arg(long)]
    shift: Option<u32>,
    /// Real interval that inputs lie in, for instance 0..1; that of the samples if not given. Inputs outside are moved to its nearest end.
    #[arg(long, value_name = "LO..HI", value_parser = interval, allow_hyphen_values = true)]
    input_range: Option<(f64, f64)>,
    /// Percentage of each hidden tensor's elements that its range has to cover, above 50 and up to 100; all of the samples' if not given.
    #[arg(long, value_name = "PERCENT")]
    clip: Option<f64>,
    /// What to reach at the least cost of a proof: top1>=F, max-error<=E or mean-error<=E against the float model. All
    /// that are given have to hold. Searches the bits and the shift, unless one is given.
    #[arg(long = "target", value_name = "TARGET")]
    targets: Vec<Target>,
    /// Say what one bit more would change: quantises once more.
    #[arg(long)]
    explain: bool,
    /// As a new version of this quantised model: its scales, ranges, tables and published intervals, hence its programId, with new weights.
    #[arg(long, value_name = "EARLIER.IFQ", conflicts_with_all = ["bits", "shift", "input_range", "clip", "targets", "explain", "headroom"])]
    like: Option<PathBuf>,
    /// Bits of room for the larger weights of later versions, 0 to 8; tables grow with it.
    #[arg(long, default_value_t = 0)]
    headroom: u32,
    /// What of the result is the output, and all that a verifier sees: whole, argmax, top-k=K, score[INDEX]>NUMBER or
    /// entries=INDEX,INDEX,..
    #[arg(long, default_value = "whole")]
    output_form: OutputForm,
    /// Size of a dimension that the model leaves open, for instance batch=1; may be given several times.
    #[arg(long, value_name = "NAME=SIZE", value_parser = dimension)]
    dim: Vec<(String, usize)>,
}

/// A model, what it was measured on, and how it was found.
struct Found {
    model: Model,
    report: Report,
    options: QuantiseOptions,
    candidates: Option<Vec<Candidate>>,
}

impl Quantise {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let mut stages = Stages::default();
        for path in [Some(&self.output), self.report.as_ref()].into_iter().flatten() {
            check_writable(path)?;
        }
        let bytes = onnx::read_file(&self.model)?;
        let dims = ImportOptions { dims: self.dim.iter().cloned().collect() };
        let graph = stages.run("import", || onnx::import_with(&bytes, &dims))?.graph.with_output(&self.output_form)?;
        let samples = Samples::load(&self.samples, graph.input_shape())?;
        let validation = self.validate.as_ref().map(|path| Samples::load(path, graph.input_shape())).transpose()?;
        let options = self.options(&bytes);
        let mut tuner = Tuner::new(&graph, &samples, &options);
        (tuner.validation, tuner.machine) = (validation.as_ref(), machine::costs()?.0);
        let found = if let Some(path) = &self.like {
            let earlier = Model::load(path)?;
            let (model, mut report) = stages.run("quantise", || quantise_like(&graph, &samples, &earlier, &options))?;
            if let Some(validation) = &validation {
                report = stages.run("validate", || evaluate(&graph, &model, validation))?;
            }
            Found { model, report, options: options.clone(), candidates: None }
        } else if self.targets.is_empty() {
            plainly(&tuner, &mut stages)?
        } else {
            self.search(&tuner, &mut stages)?
        };
        let explanation = match self.explain {
            true => {
                let tuner = Tuner { options: &found.options, ..tuner };
                Some(stages.run("explain", || tuner.explain(&found.model, &found.report))?)
            }
            false => None,
        };
        found.model.save(&self.output)?;
        if let Some(path) = &self.report {
            replace_file(path, &[&serde_json::to_vec_pretty(&found.report)?], false)?;
        }
        self.outcome(&found, explanation.as_ref(), &stages)
    }

    fn options(&self, bytes: &[u8]) -> QuantiseOptions {
        let defaults = QuantiseOptions::default();
        let name = self.model.file_stem().map_or_else(|| defaults.name.clone(), |s| s.to_string_lossy().into_owned());
        QuantiseOptions {
            activation_bits: self.bits.unwrap_or(defaults.activation_bits),
            shift: self.shift.unwrap_or(defaults.shift),
            input_range: self.input_range,
            clip: self.clip,
            headroom: self.headroom,
            name,
            source_digest: source_digest(bytes),
        }
    }

    fn search(&self, tuner: &Tuner, stages: &mut Stages) -> Result<Found, Failure> {
        let fixed = Fixed { activation_bits: self.bits, shift: self.shift };
        let (model, report, candidates) = stages.run_telling("search", |tell| {
            let progress = |tried: &Candidate| tell(&format!("{} bits, shift {}", tried.activation_bits, tried.shift));
            tuner.search(&self.targets, fixed, progress)
        })?;
        let chosen = candidates.iter().find(|candidate| candidate.chosen);
        let activation_bits = chosen.map_or(tuner.options.activation_bits, |chosen| chosen.activation_bits);
        let options = QuantiseOptions { activation_bits, shift: model.architecture.shift, ..tuner.options.clone() };
        Ok(Found { model, report, options, candidates: Some(candidates) })
    }

    fn outcome(&self, found: &Found, explanation: Option<&Explanation>, stages: &Stages) -> Result<Outcome, Failure> {
        let Found { model, report, options, candidates } = found;
        let digest = hex::encode(model.digest()?);
        let decided_on = if self.validate.is_some() { "validation" } else { "calibration" };
        let mut text = format!("{report}\nmeasured on the {} {decided_on} samples\n", report.samples);
        if let Some(candidates) = candidates {
            text += &format!("\nsettings tried, decided on the {decided_on} samples; * is taken\n");
            text += &candidate_table(candidates);
        }
        if let Some(explanation) = explanation {
            text += &explained(explanation);
        }
        text += &format!("\nwritten  {} (digest {digest})\n{}", self.output.display(), stages.to_text());
        let json = json!({
            "ok": true, "digest": digest, "bits": self.like.is_none().then_some(options.activation_bits), "shift": model.architecture.shift, "report": report,
            "decidedOn": decided_on, "candidates": candidates, "explanation": explanation,
            "seconds": stages.to_json(),
        });
        Ok(Outcome { json, text })
    }
}

/// With the options as they are.
fn plainly(tuner: &Tuner, stages: &mut Stages) -> Result<Found, Failure> {
    let Tuner { graph, samples, options, .. } = *tuner;
    let (model, mut report) = stages.run("quantise", || quantise(graph, samples, options))?;
    if let Some(validation) = tuner.validation {
        report = stages.run("validate", || evaluate(graph, &model, validation))?;
    }
    Ok(Found { model, report, options: options.clone(), candidates: None })
}

/// One line for each setting that was tried.
fn candidate_table(candidates: &[Candidate]) -> String {
    let mut text = "    bits  shift    top-1   max error  mean error   k     rows  prover s\n".to_string();
    for candidate in candidates {
        let mark = if candidate.chosen { '*' } else { ' ' };
        let _ = write!(text, "  {mark} {:>4}  {:>5}", candidate.activation_bits, candidate.shift);
        if let Some(fit) = candidate.fit {
            let top1 = 100.0 * fit.top1_agreement;
            let _ = write!(text, "  {top1:>5.1} %  {:>10.3e}  {:>10.3e}", fit.max_abs_error, fit.mean_abs_error);
        }
        if let Some(cost) = candidate.cost {
            let _ = write!(text, "  {:>2}  {:>7}  {:>8.2}", cost.k, cost.rows, cost.prover_seconds);
        }
        let _ = match &candidate.failure {
            Some(failure) => writeln!(text, "  {failure}"),
            None => writeln!(text, "{}", if candidate.meets_targets { "" } else { "  misses" }),
        };
    }
    text
}

/// What loses most, and what one bit more would do.
fn explained(explanation: &Explanation) -> String {
    let mut text = String::new();
    if let Some(loss) = &explanation.loses_most {
        let _ = write!(text, "\nlayer {} loses most of its own: {:.2} dB", loss.node, loss.own_snr_db);
        if let Some(finer) = explanation.finer_own_snr_db {
            let _ = write!(text, "; with one bit more {finer:.2} dB");
        }
        text.push('\n');
    }
    let Some(finer) = &explanation.finer else {
        return text + "there are no more bits than 16\n";
    };
    text + "\none bit more; * is written\n" + &candidate_table(&[explanation.now.clone(), finer.clone()])
}
