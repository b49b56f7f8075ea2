//! How well an integer network follows the float graph it was made of, and where it does not.
//!
//! ```text
//! shadow    real values of all integer tensors; every layer run on those
//! compare   one sample through both networks
//! text      the report for people
//! chart     the layers' errors as a drawing
//! ```

mod chart;
mod compare;
mod shadow;
mod text;

pub use compare::Fit;
pub(super) use compare::{class, compare_output};

use super::{
    error::{QuantiseError, SampleError},
    plan::{Plan, PlanOp},
    samples::Samples,
};
use crate::{graph::Graph, model::Model};
use compare::{Sample, TensorSums, compare};
use inferproof_circuits::{
    integer::Interval,
    network::{Node, Op},
};
use rayon::prelude::*;
use serde::Serialize;

/// Accuracy of the very integer network that is proved, against the float graph on the same samples.
///
/// The class of an output is the position of its (first) largest element; an output of one element is the class itself,
/// rounded to an integer.
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
    /// Fraction of samples to which both networks give the same class.
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
    /// The layer that itself loses most, whatever it inherits: the first with the least own SNR, if any has one.
    pub loses_most: Option<Loss>,
    /// Every affine layer, in order.
    pub layers: Vec<LayerReport>,
    /// Every tensor, in order: those of the layers as well.
    pub tensors: Vec<TensorReport>,
}

/// Fractions of samples classified as labelled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// By the float graph.
    pub float: f64,
    /// By the integer network.
    pub integer: f64,
}

/// What a layer itself loses.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Loss {
    /// Position in the architecture.
    pub id: usize,
    /// Name of the node.
    pub node: String,
    /// As in [`LayerReport`].
    pub own_snr_db: f64,
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
    /// The same if the layer's operands are the float network's, rounded to their scales: what it loses itself and does
    /// not inherit.
    pub own_snr_db: Option<f64>,
    /// Elements over all samples whose value was cut off at an end of the range; a ReLU's zeros do not count.
    pub saturated: u64,
    /// Elements over all samples.
    pub elements: u64,
    /// Published interval of its quotients.
    pub quotient: Interval,
    /// Integers in that interval: the width of the layer's lookup table.
    pub quotient_width: u64,
    /// Of a model that comes quantised: whether the layer rounds exactly as ONNX says, or is rounded once more as
    /// `docs/spec/network.md#exact-rounding` has it. `None` where the model does not quantise the result.
    pub exact: Option<bool>,
}

/// One tensor of the integer network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TensorReport {
    /// Position in the architecture.
    pub id: usize,
    /// Name of the node.
    pub node: String,
    /// Its operator.
    pub operator: &'static str,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Least and greatest value of the float tensor over the samples; `None` if no element stands for a real number.
    pub observed: Option<(f32, f32)>,
    /// Interval of its integers.
    pub range: Interval,
    /// Bits of that interval.
    pub bits: u32,
    /// Integer units in one real unit.
    pub scale: f64,
    /// Fraction of the interval's length between the observed extremes.
    pub used: f64,
    /// Elements over all samples that were cut off at an end of the interval: by the input's domain, or by a layer.
    /// Where elements only move or the greatest is taken, none is.
    pub saturated: u64,
    /// The same, as a fraction.
    pub saturated_fraction: f64,
    /// Elements over all samples.
    pub elements: u64,
}

impl Report {
    /// How closely the outputs agree.
    #[must_use]
    pub const fn fit(&self) -> Fit {
        let Self { top1_agreement, max_abs_error, mean_abs_error, .. } = *self;
        Fit { top1_agreement, max_abs_error, mean_abs_error }
    }
}

/// Runs `graph` and `model` on every sample and compares them, layer by layer.
///
/// `graph` is the one the model was quantised from. With labels in `samples` the report has the accuracy of both.
///
/// Cost: one float and two integer inferences a sample, on all cores, and a copy of the weights.
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
    let forced = shadow::Forced::new(plan, model);
    let compared: Result<Vec<Sample>, QuantiseError> =
        samples.inputs().par_iter().map(|input| compare(plan, model, &forced, input)).collect();
    let compared = compared?;
    let outputs = model.architecture.nodes[model.architecture.output].len();
    let fit = Fit::of(compared.iter().map(|sample| sample.output), outputs);
    let sums = sum_by_tensor(&compared, plan.nodes.len());
    let layers = layer_reports(plan, model, &sums, samples.len());
    Ok(Report {
        model: model.name.clone(),
        samples: samples.len(),
        shift: model.architecture.shift,
        top1_agreement: fit.top1_agreement,
        accuracy: samples.labels().map(|labels| accuracy(&compared, labels, outputs)).transpose()?,
        max_abs_error: fit.max_abs_error,
        mean_abs_error: fit.mean_abs_error,
        output_step: 1.0 / model.output_scale(),
        input_step: 1.0 / model.input_scale(),
        saturated_inputs: compared.iter().map(|sample| sample.saturated_inputs).sum(),
        loses_most: loses_most(&layers),
        tensors: tensor_reports(model, &sums, samples.len()),
        layers,
    })
}

fn accuracy(compared: &[Sample], labels: &[usize], outputs: usize) -> Result<Accuracy, SampleError> {
    check_labels(labels, outputs)?;
    let fraction = |class: fn(&Sample) -> usize| {
        let hits = compared.iter().zip(labels).filter(|(sample, label)| class(sample) == **label).count();
        hits as f64 / compared.len() as f64
    };
    Ok(Accuracy {
        float: fraction(|sample| sample.output.float_class),
        integer: fraction(|sample| sample.output.integer_class),
    })
}

/// Labels are positions of output elements, unless the output is the class itself.
pub(super) fn check_labels(labels: &[usize], outputs: usize) -> Result<(), SampleError> {
    match labels.iter().find(|&&label| outputs > 1 && label >= outputs) {
        Some(label) => {
            Err(SampleError::Labels { expected: format!("classes below {outputs}"), got: label.to_string() })
        }
        None => Ok(()),
    }
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
        let (expected, got) = (operator(&planned.op), node.op.name());
        let moves_others = !planned.op.moved().is_empty() && planned.op.moved() != node.op.inputs();
        if planned.name != node.name || planned.shape != node.shape || expected != got || moves_others {
            let expected = format!("`{}` ({expected}) of shape {:?}", planned.name, planned.shape);
            let got = format!("`{}` ({got}) of shape {:?} reading {:?}", node.name, node.shape, node.op.inputs());
            return differs(&planned.name, expected, got);
        }
    }
    Ok(())
}

/// The name of the operator that a planned node becomes.
const fn operator(op: &PlanOp) -> &'static str {
    match op {
        PlanOp::Input => "input",
        PlanOp::Affine(_) => "affine",
        PlanOp::MaxPool { .. } => "max-pool",
        PlanOp::Reshape { .. } => "reshape",
        PlanOp::Transpose { .. } => "transpose",
        PlanOp::Take { .. } => "take",
        PlanOp::Concat { .. } => "concat",
        PlanOp::BeforeMax { .. } => "before-max",
    }
}

/// What all samples say of each tensor, summed in their order.
fn sum_by_tensor(compared: &[Sample], tensors: usize) -> Vec<TensorSums> {
    let mut sums = vec![TensorSums::EMPTY; tensors];
    for sample in compared {
        sums.iter_mut().zip(&sample.tensors).for_each(|(sum, add)| sum.add(add));
    }
    sums
}

fn layer_reports(plan: &Plan, model: &Model, sums: &[TensorSums], samples: usize) -> Vec<LayerReport> {
    let layer = |(id, (node, sums)): (usize, (&Node, &TensorSums))| match &node.op {
        Op::Affine { quotient, .. } => Some(LayerReport {
            id,
            node: node.name.clone(),
            shape: node.shape.clone(),
            scale: model.tensor_scales[id],
            range: node.range,
            snr_db: decibels(sums.signal, sums.noise),
            own_snr_db: decibels(sums.signal, sums.own_noise),
            saturated: sums.saturated,
            elements: (node.len() * samples) as u64,
            quotient: *quotient,
            quotient_width: quotient.len(),
            exact: plan.is_exact(id),
        }),
        _ => None,
    };
    model.architecture.nodes.iter().zip(sums).enumerate().filter_map(layer).collect()
}

fn loses_most(layers: &[LayerReport]) -> Option<Loss> {
    let losses = layers.iter().filter_map(|layer| layer.own_snr_db.map(|own_snr_db| (layer, own_snr_db)));
    let (layer, own_snr_db) = losses.reduce(|worst, next| if next.1 < worst.1 { next } else { worst })?;
    Some(Loss { id: layer.id, node: layer.node.clone(), own_snr_db })
}

fn tensor_reports(model: &Model, sums: &[TensorSums], samples: usize) -> Vec<TensorReport> {
    let tensor = |(id, (node, sums)): (usize, (&Node, &TensorSums))| {
        let (scale, elements) = (model.tensor_scales[id], (node.len() * samples) as u64);
        let observed = (sums.min <= sums.max).then_some((sums.min, sums.max));
        TensorReport {
            id,
            node: node.name.clone(),
            operator: node.op.name(),
            shape: node.shape.clone(),
            observed,
            range: node.range,
            bits: u64::BITS - (node.range.len().max(1) - 1).leading_zeros(),
            scale,
            used: observed.map_or(0.0, |ends| used(ends, scale, node.range)),
            saturated: sums.saturated,
            saturated_fraction: sums.saturated as f64 / elements as f64,
            elements,
        }
    };
    model.architecture.nodes.iter().zip(sums).enumerate().map(tensor).collect()
}

/// The part of a range between two real values, by length.
fn used((min, max): (f32, f32), scale: f64, range: Interval) -> f64 {
    let (lo, hi) = (range.lo as f64, range.hi as f64);
    let end = |value: f32| (f64::from(value) * scale).clamp(lo, hi);
    (end(max) - end(min)) / (hi - lo).max(1.0)
}

/// Two decimals, so that the last bits of a machine's logarithm do not show.
fn decibels(signal: f64, noise: f64) -> Option<f64> {
    let decibels = 10.0 * (signal / noise).log10();
    decibels.is_finite().then(|| (decibels * 100.0).round() / 100.0)
}
