//! The integer network on its task: no float graph is needed.

use super::{
    error::QuantiseError,
    report::{check_labels, class},
    samples::Samples,
};
use crate::model::Model;
use inferproof_circuits::network::execute;
use ndarray::ArrayD;
use rayon::prelude::*;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Most classes that the text shows.
const SHOWN: usize = 20;

/// What the very integer network that is proved says about samples.
///
/// The class of an output is that of a [`Report`](super::Report).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Name of the model.
    pub model: String,
    /// Number of samples.
    pub samples: usize,
    /// Input elements outside the declared domain, which were moved to its nearest end.
    pub saturated_inputs: u64,
    /// Elements of an output.
    pub outputs: usize,
    /// Least output element, in real units as are the following.
    pub output_min: f64,
    /// Greatest output element.
    pub output_max: f64,
    /// Mean over all output elements.
    pub output_mean: f64,
    /// Output elements at an end of the output's integer range: more than one or two say that it is too narrow.
    pub outputs_at_ends: u64,
    /// Samples by class, of the classes that occur.
    pub classes: Vec<ClassCount>,
    /// Against the labels, if there are any.
    pub labelled: Option<Labelled>,
}

/// How often a class was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// The class.
    pub class: usize,
    /// Samples to which the network gives it.
    pub samples: u64,
}

/// Outputs against labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Labelled {
    /// Samples of which the class is the label.
    pub correct: u64,
    /// The same, as a fraction.
    pub accuracy: f64,
    /// Samples by label and class: those that occur, in that order. All counts together are the samples.
    pub confusion: Vec<ConfusionCell>,
}

/// How often a class was given where the label is another or the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConfusionCell {
    /// The label.
    pub label: usize,
    /// The class that the network gives.
    pub class: usize,
    /// Samples.
    pub samples: u64,
}

struct Outcome {
    class: usize,
    min: f64,
    max: f64,
    sum: f64,
    at_ends: u64,
    saturated_inputs: u64,
}

/// Runs `model` on every sample; with labels in `samples`, compares the classes with them.
///
/// Cost: one integer inference a sample, on all cores.
///
/// # Errors
/// Samples that do not fit the model; labels that are no class of it.
pub fn evaluate_model(model: &Model, samples: &Samples) -> Result<Evaluation, QuantiseError> {
    let outputs = model.architecture.nodes[model.architecture.output].len();
    let outcomes: Result<Vec<Outcome>, QuantiseError> =
        samples.inputs().par_iter().map(|input| outcome(model, input)).collect();
    let outcomes = outcomes?;
    let mut classes = BTreeMap::new();
    outcomes.iter().for_each(|outcome| *classes.entry(outcome.class).or_default() += 1);
    Ok(Evaluation {
        model: model.name.clone(),
        samples: samples.len(),
        saturated_inputs: outcomes.iter().map(|outcome| outcome.saturated_inputs).sum(),
        outputs,
        output_min: outcomes.iter().fold(f64::INFINITY, |min, outcome| outcome.min.min(min)),
        output_max: outcomes.iter().fold(f64::NEG_INFINITY, |max, outcome| outcome.max.max(max)),
        output_mean: outcomes.iter().map(|outcome| outcome.sum).sum::<f64>() / (outcomes.len() * outputs) as f64,
        outputs_at_ends: outcomes.iter().map(|outcome| outcome.at_ends).sum(),
        classes: classes.into_iter().map(|(class, samples)| ClassCount { class, samples }).collect(),
        labelled: samples.labels().map(|labels| labelled(&outcomes, labels, outputs)).transpose()?,
    })
}

fn outcome(model: &Model, input: &ArrayD<f32>) -> Result<Outcome, QuantiseError> {
    let mut trace = execute(&model.architecture, &model.weights, &model.quantise_input(input)?)?;
    let output = std::mem::take(&mut trace.values[model.architecture.output]);
    let range = model.architecture.nodes[model.architecture.output].range;
    let real = output.iter().map(|&v| v as f64 / model.output_scale());
    Ok(Outcome {
        class: class(real.clone()),
        min: real.clone().fold(f64::INFINITY, f64::min),
        max: real.clone().fold(f64::NEG_INFINITY, f64::max),
        sum: real.sum(),
        at_ends: output.iter().filter(|&&v| v == range.lo || v == range.hi).count() as u64,
        saturated_inputs: model.saturated_inputs(input)?,
    })
}

fn labelled(outcomes: &[Outcome], labels: &[usize], outputs: usize) -> Result<Labelled, QuantiseError> {
    check_labels(labels, outputs)?;
    let mut counts: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for (outcome, &label) in outcomes.iter().zip(labels) {
        *counts.entry((label, outcome.class)).or_default() += 1;
    }
    let confusion: Vec<ConfusionCell> =
        counts.into_iter().map(|((label, class), samples)| ConfusionCell { label, class, samples }).collect();
    let correct = confusion.iter().filter(|cell| cell.label == cell.class).map(|cell| cell.samples).sum();
    Ok(Labelled { correct, accuracy: correct as f64 / outcomes.len() as f64, confusion })
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: the integer network on {} samples", self.model, self.samples)?;
        if let Some(labelled) = &self.labelled {
            let (correct, percent) = (labelled.correct, 100.0 * labelled.accuracy);
            writeln!(f, "  accuracy          {percent:.2} % ({correct} of {})", self.samples)?;
        }
        let (min, mean, max) = (self.output_min, self.output_mean, self.output_max);
        writeln!(f, "  output            {min:.4} to {max:.4}, {mean:.4} on average")?;
        writeln!(f, "  outputs at ends   {} of {}", self.outputs_at_ends, self.samples * self.outputs)?;
        writeln!(f, "  inputs cut off    {}", self.saturated_inputs)?;
        match &self.labelled {
            Some(labelled) => write_confusion(f, labelled),
            None => self.write_classes(f),
        }
    }
}

impl Evaluation {
    /// The classes most samples get.
    fn write_classes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut classes = self.classes.clone();
        classes.sort_by_key(|class| std::cmp::Reverse(class.samples));
        writeln!(f, "  {:>7} {:>8} {:>8}", "class", "samples", "share")?;
        for ClassCount { class, samples } in classes.iter().take(SHOWN) {
            let share = format!("{:.1} %", 100.0 * *samples as f64 / self.samples as f64);
            writeln!(f, "  {class:>7} {samples:>8} {share:>8}")?;
        }
        write_rest(f, classes.len(), "most frequent")
    }
}

/// A row a label, a column a class.
fn write_confusion(f: &mut fmt::Formatter<'_>, labelled: &Labelled) -> fmt::Result {
    let counts: BTreeMap<(usize, usize), u64> =
        labelled.confusion.iter().map(|cell| ((cell.label, cell.class), cell.samples)).collect();
    let occurring: BTreeSet<usize> = counts.keys().flat_map(|&(label, class)| [label, class]).collect();
    let shown: Vec<usize> = occurring.iter().copied().take(SHOWN).collect();
    let columns = |text: &dyn Fn(usize) -> String| shown.iter().map(|&class| text(class)).collect::<String>();
    writeln!(f, "  {:>7} {:>8} {:>8}  class{}", "label", "samples", "right", columns(&|class| format!("{class:>6}")))?;
    for &label in &shown {
        let of_label = counts.range((label, 0)..=(label, usize::MAX));
        let samples: u64 = of_label.map(|(_, samples)| samples).sum();
        let count = |class: usize| counts.get(&(label, class)).copied().unwrap_or(0);
        let right = match samples {
            0 => "-".into(),
            _ => format!("{:.1} %", 100.0 * count(label) as f64 / samples as f64),
        };
        let cells = columns(&|class| match count(class) {
            0 => format!("{:>6}", "."),
            count => format!("{count:>6}"),
        });
        writeln!(f, "  {label:>7} {samples:>8} {right:>8}       {cells}")?;
    }
    write_rest(f, occurring.len(), "first")
}

fn write_rest(f: &mut fmt::Formatter<'_>, classes: usize, which: &str) -> fmt::Result {
    if classes > SHOWN {
        writeln!(f, "  the {which} {SHOWN} of {classes} classes that occur; --json has all")?;
    }
    Ok(())
}
