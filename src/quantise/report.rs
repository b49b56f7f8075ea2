//! How well an integer network follows the float graph it was made of.

use super::{
    error::{QuantiseError, SampleError},
    plan::{Plan, PlanOp},
    samples::Samples,
};
use crate::{graph::Graph, model::Model};
use inferproof_circuits::{
    integer::{Activation, Interval, rescale},
    network::{Op, execute},
};
use ndarray::ArrayD;
use rayon::prelude::*;
use serde::Serialize;
use std::fmt;

/// Accuracy of the very integer network that is proved, against the float graph on the same samples.
///
/// Errors are in the units of the float network. Tells about the weights no more than their effect on the samples, but
/// the per-layer figures are those of inner tensors: treat it like the training log of the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Name of the model.
    pub model: String,
    /// Number of samples.
    pub samples: usize,
    /// The model's shift.
    pub shift: u32,
    /// Fraction of samples on which both networks have their (first) largest output at the same place.
    pub top1_agreement: f64,
    /// Against the labels, if there were any.
    pub accuracy: Option<Accuracy>,
    /// Largest absolute difference of an output element.
    pub max_abs_error: f64,
    /// Mean absolute difference of an output element.
    pub mean_abs_error: f64,
    /// Distance of two neighbouring values of the output, for comparison.
    pub output_step: f64,
    /// Real value of one unit of the input.
    pub input_step: f64,
    /// Input elements outside the declared domain, which were moved to its nearest end.
    pub saturated_inputs: u64,
    /// Every affine layer, in order.
    pub layers: Vec<LayerReport>,
}

/// Fractions of samples classified as labelled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// By the float graph.
    pub float: f64,
    /// By the integer network.
    pub integer: f64,
}

/// One affine layer of the integer network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerReport {
    /// Position in the architecture.
    pub id: usize,
    /// Name of the node.
    pub node: String,
    /// Shape of its tensor.
    pub shape: Vec<usize>,
    /// Integer units in one real unit.
    pub scale: f64,
    /// Interval of its elements.
    pub range: Interval,
    /// Signal to noise against the float tensor, in dB to two decimals; `None` if there is no noise or no signal.
    pub snr_db: Option<f64>,
    /// Elements over all samples whose value was cut off at an end of the range; a ReLU's zeros do not count.
    pub saturated: u64,
    /// Elements over all samples.
    pub elements: u64,
    /// Published interval of its quotients.
    pub quotient: Interval,
    /// Integers in that interval: the width of the layer's lookup table.
    pub quotient_width: u64,
}

/// What one sample adds to the report. Summed in the order of the samples, so that threads do not matter.
struct Sample {
    agrees: bool,
    float_class: usize,
    integer_class: usize,
    max_error: f64,
    sum_error: f64,
    saturated_inputs: u64,
    layers: Vec<LayerSums>,
}

#[derive(Clone, Copy, Default)]
struct LayerSums {
    signal: f64,
    noise: f64,
    saturated: u64,
}

/// Runs `graph` and `model` on every sample and compares them, layer by layer.
///
/// `graph` is the one the model was quantised from. With labels in `samples` the report has the accuracy of both.
///
/// Cost: one float and one integer inference a sample, on all cores.
///
/// # Errors
/// [`QuantiseError::OtherGraph`] if the model is not one of this graph; samples that do not fit it; labels that are no
/// class of it.
pub fn evaluate(graph: &Graph, model: &Model, samples: &Samples) -> Result<Report, QuantiseError> {
    let plan = Plan::new(graph)?;
    check_plan(&plan, model)?;
    report(&plan, model, samples)
}

pub(super) fn report(plan: &Plan, model: &Model, samples: &Samples) -> Result<Report, QuantiseError> {
    let compared: Result<Vec<Sample>, QuantiseError> =
        samples.inputs().par_iter().map(|input| compare(plan, model, input)).collect();
    let compared = compared?;
    let count = samples.len() as f64;
    let outputs = model.architecture.nodes[model.architecture.output].len() as f64;
    let fraction = |holds: &dyn Fn(&Sample) -> bool| compared.iter().filter(|s| holds(s)).count() as f64 / count;
    Ok(Report {
        model: model.name.clone(),
        samples: samples.len(),
        shift: model.architecture.shift,
        top1_agreement: fraction(&|sample| sample.agrees),
        accuracy: samples.labels().map(|labels| accuracy(&compared, labels, outputs as usize)).transpose()?,
        max_abs_error: compared.iter().fold(0.0, |max, sample| sample.max_error.max(max)),
        mean_abs_error: compared.iter().map(|sample| sample.sum_error).sum::<f64>() / (count * outputs),
        output_step: 1.0 / model.output_scale(),
        input_step: 1.0 / model.input_scale(),
        saturated_inputs: compared.iter().map(|sample| sample.saturated_inputs).sum(),
        layers: layer_reports(model, &compared),
    })
}

fn accuracy(compared: &[Sample], labels: &[usize], classes: usize) -> Result<Accuracy, SampleError> {
    if let Some(label) = labels.iter().find(|&&label| label >= classes) {
        return Err(SampleError::Labels { expected: format!("classes below {classes}"), got: label.to_string() });
    }
    let fraction = |class: fn(&Sample) -> usize| {
        let hits = compared.iter().zip(labels).filter(|(sample, label)| class(sample) == **label).count();
        hits as f64 / compared.len() as f64
    };
    Ok(Accuracy { float: fraction(|sample| sample.float_class), integer: fraction(|sample| sample.integer_class) })
}

fn check_plan(plan: &Plan, model: &Model) -> Result<(), QuantiseError> {
    let nodes = &model.architecture.nodes;
    let differs =
        |node: &str, expected: String, got: String| Err(QuantiseError::OtherGraph { node: node.into(), expected, got });
    if plan.nodes.len() != nodes.len() || plan.output != model.architecture.output {
        let count = |nodes: usize, output: usize| format!("{nodes} nodes with output {output}");
        let (expected, got) = (count(plan.nodes.len(), plan.output), count(nodes.len(), model.architecture.output));
        return differs("-", expected, got);
    }
    for (planned, node) in plan.nodes.iter().zip(nodes) {
        let is_affine = matches!(planned.op, PlanOp::Affine(_));
        if planned.name != node.name || planned.shape != node.shape || is_affine != matches!(node.op, Op::Affine { .. })
        {
            let expected = format!("`{}` of shape {:?}", planned.name, planned.shape);
            return differs(
                &planned.name,
                expected,
                format!("`{}` ({}) of shape {:?}", node.name, node.op.name(), node.shape),
            );
        }
    }
    Ok(())
}

fn compare(plan: &Plan, model: &Model, input: &ArrayD<f32>) -> Result<Sample, QuantiseError> {
    let float = plan.graph.run_f32(input)?;
    let architecture = &model.architecture;
    let trace = execute(architecture, &model.weights, &model.quantise_input(input)?)?;
    let mut layers = vec![];
    for (id, node) in architecture.nodes.iter().enumerate() {
        if let Op::Affine { activation, .. } = &node.op {
            if plan.nodes[id].is_drop() {
                // What was dropped has no real value.
                layers.push(LayerSums::default());
                continue;
            }
            let mut sums = compare_tensor(&float[plan.nodes[id].source], &trace.values[id], model.tensor_scales[id]);
            sums.saturated = saturated(&trace.accumulators[id], architecture.shift, activation);
            layers.push(sums);
        }
    }
    let (expected, got) = (&float[plan.graph.output], &trace.values[architecture.output]);
    let errors = expected.iter().zip(got).map(|(&x, &q)| (f64::from(x) - q as f64 / model.output_scale()).abs());
    let (float_class, integer_class) = (first_largest(expected.iter()), first_largest(got.iter()));
    Ok(Sample {
        agrees: float_class == integer_class,
        float_class,
        integer_class,
        max_error: errors.clone().fold(0.0, f64::max),
        sum_error: errors.sum(),
        saturated_inputs: model.saturated_inputs(input)?,
        layers,
    })
}

fn compare_tensor(float: &ArrayD<f32>, integer: &[i64], scale: f64) -> LayerSums {
    let mut sums = LayerSums::default();
    for (&x, &q) in float.iter().zip(integer) {
        let (x, y) = (f64::from(x), q as f64 / scale);
        sums.signal += x * x;
        sums.noise += (x - y) * (x - y);
    }
    sums
}

fn saturated(accumulators: &[i64], shift: u32, activation: &Activation) -> u64 {
    let wide = Activation { range: Interval::new(i64::MIN, i64::MAX), ..*activation };
    accumulators.iter().map(|&acc| rescale(acc, shift)).filter(|&q| wide.apply(q) != activation.apply(q)).count() as u64
}

/// Position of the largest value, the first of equal ones.
fn first_largest<'a, T: PartialOrd + 'a>(values: impl Iterator<Item = &'a T>) -> usize {
    let best = values.enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map_or(0, |(index, _)| index)
}

fn layer_reports(model: &Model, compared: &[Sample]) -> Vec<LayerReport> {
    let affine = model.architecture.nodes.iter().enumerate().filter_map(|(id, node)| match &node.op {
        Op::Affine { quotient, .. } => Some((id, node, *quotient)),
        _ => None,
    });
    affine
        .enumerate()
        .map(|(layer, (id, node, quotient))| {
            let mut sums = LayerSums::default();
            for sample in compared.iter().map(|sample| &sample.layers[layer]) {
                sums.signal += sample.signal;
                sums.noise += sample.noise;
                sums.saturated += sample.saturated;
            }
            LayerReport {
                id,
                node: node.name.clone(),
                shape: node.shape.clone(),
                scale: model.tensor_scales[id],
                range: node.range,
                snr_db: decibels(sums.signal, sums.noise),
                saturated: sums.saturated,
                elements: (node.len() * compared.len()) as u64,
                quotient,
                quotient_width: quotient.len(),
            }
        })
        .collect()
}

/// Two decimals, so that the last bits of a machine's logarithm do not show.
fn decibels(signal: f64, noise: f64) -> Option<f64> {
    let decibels = 10.0 * (signal / noise).log10();
    decibels.is_finite().then(|| (decibels * 100.0).round() / 100.0)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: integer against float network on {} samples", self.model, self.samples)?;
        writeln!(f, "  top-1 agreement   {:.2} %", 100.0 * self.top1_agreement)?;
        if let Some(Accuracy { float, integer }) = self.accuracy {
            writeln!(f, "  accuracy          {:.2} % integer, {:.2} % float", 100.0 * integer, 100.0 * float)?;
        }
        writeln!(
            f,
            "  output error      {:.3e} at most, {:.3e} on average (one step is {:.3e})",
            self.max_abs_error, self.mean_abs_error, self.output_step
        )?;
        writeln!(f, "  inputs cut off    {}", self.saturated_inputs)?;
        writeln!(f, "  {:<24} {:>8} {:>12} {:>9} {:>16}", "affine layer", "SNR dB", "cut off", "table", "quotients")?;
        for layer in &self.layers {
            let snr = layer.snr_db.map_or_else(|| "-".into(), |snr| format!("{snr:.2}"));
            let saturated = format!("{:.3} %", 100.0 * layer.saturated as f64 / layer.elements as f64);
            let quotients = format!("[{}, {}]", layer.quotient.lo, layer.quotient.hi);
            writeln!(f, "  {:<24} {snr:>8} {saturated:>12} {:>9} {quotients:>16}", layer.node, layer.quotient_width)?;
        }
        Ok(())
    }
}
