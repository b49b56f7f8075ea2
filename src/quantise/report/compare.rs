//! One sample through both networks.

use super::shadow::{Forced, shadow};
use crate::model::Model;
use crate::quantise::{error::QuantiseError, plan::Plan};
use inferproof_circuits::{
    integer::{Activation, Interval, rescale},
    network::{Op, execute},
};
use ndarray::ArrayD;
use serde::Serialize;

/// How closely outputs agree with those of the float network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// Fraction of samples to which both networks give the same class, see [`Report`](super::Report).
    pub top1_agreement: f64,
    /// Largest absolute difference of an output element.
    pub max_abs_error: f64,
    /// Mean absolute difference of an output element.
    pub mean_abs_error: f64,
}

impl Fit {
    /// Of samples with `outputs` elements each. Summed in their order, so that threads do not matter.
    pub(in crate::quantise) fn of(
        samples: impl ExactSizeIterator<Item = OutputErrors> + Clone,
        outputs: usize,
    ) -> Self {
        let count = samples.len() as f64;
        let agreeing = samples.clone().filter(|sample| sample.float_class == sample.integer_class).count();
        Self {
            top1_agreement: agreeing as f64 / count,
            max_abs_error: samples.clone().fold(0.0, |max, sample| sample.largest.max(max)),
            mean_abs_error: samples.map(|sample| sample.sum).sum::<f64>() / (count * outputs as f64),
        }
    }
}

/// The output of one sample.
#[derive(Clone, Copy)]
pub(in crate::quantise) struct OutputErrors {
    pub float_class: usize,
    pub integer_class: usize,
    largest: f64,
    sum: f64,
}

/// Compares an output with that of the float network.
pub(in crate::quantise) fn compare_output(model: &Model, expected: &ArrayD<f32>, got: &[i64]) -> OutputErrors {
    let real = got.iter().map(|&v| v as f64 / model.output_scale());
    let errors = expected.iter().zip(real.clone()).map(|(&x, y)| (f64::from(x) - y).abs());
    OutputErrors {
        float_class: class(expected.iter().map(|&x| f64::from(x))),
        integer_class: class(real),
        largest: errors.clone().fold(0.0, f64::max),
        sum: errors.sum(),
    }
}

/// The class that an output says: the position of the largest element, the first of equal ones. An output of one
/// element is the class itself, to the nearest integer that is not negative.
pub(in crate::quantise) fn class(mut values: impl ExactSizeIterator<Item = f64>) -> usize {
    if values.len() == 1 {
        return values.next().map_or(0, |value| value.round() as usize);
    }
    let best = values.enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map_or(0, |(index, _)| index)
}

/// What one sample adds to the report.
pub(super) struct Sample {
    pub output: OutputErrors,
    pub saturated_inputs: u64,
    /// By node.
    pub tensors: Vec<TensorSums>,
}

/// What one sample adds to a tensor's line.
#[derive(Clone, Copy)]
pub(super) struct TensorSums {
    /// Least and greatest real value.
    pub min: f32,
    pub max: f32,
    /// Of affine layers, as are the following: sum of squares of real values.
    pub signal: f64,
    pub noise: f64,
    pub own_noise: f64,
    pub saturated: u64,
}

impl TensorSums {
    pub const EMPTY: Self =
        Self { min: f32::INFINITY, max: f32::NEG_INFINITY, signal: 0.0, noise: 0.0, own_noise: 0.0, saturated: 0 };

    pub fn add(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.signal += other.signal;
        self.noise += other.noise;
        self.own_noise += other.own_noise;
        self.saturated += other.saturated;
    }
}

/// Runs both networks on one sample, and every layer on the float network's values.
pub(super) fn compare(
    plan: &Plan,
    model: &Model,
    forced: &Forced,
    input: &ArrayD<f32>,
) -> Result<Sample, QuantiseError> {
    let float = plan.graph.run_f32(input)?;
    let architecture = &model.architecture;
    let integers = model.quantise_input(input)?;
    let trace = execute(architecture, &model.weights, &integers)?;
    let output = compare_output(model, &float[plan.graph.output], &trace.values[architecture.output]);
    let real = shadow(plan, architecture, &float);
    drop(float);
    let mut tensors: Vec<TensorSums> = real.iter().map(|values| extremes(values)).collect();
    for (id, own) in forced.run(model, &integers, &real)? {
        let (sums, scale) = (&mut tensors[id], model.tensor_scales[id]);
        (sums.signal, sums.noise) = signal_and_noise(&real[id], &trace.values[id], scale);
        sums.own_noise = signal_and_noise(&real[id], &own, scale).1;
        if let Op::Affine { activation, .. } = &architecture.nodes[id].op {
            sums.saturated = saturated(&trace.accumulators[id], architecture.shift, activation);
        }
    }
    let saturated_inputs = model.saturated_inputs(input)?;
    tensors[0].saturated = saturated_inputs;
    Ok(Sample { output, saturated_inputs, tensors })
}

fn extremes(values: &[f32]) -> TensorSums {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    finite.fold(TensorSums::EMPTY, |sums, x| TensorSums { min: sums.min.min(x), max: sums.max.max(x), ..sums })
}

fn signal_and_noise(real: &[f32], integer: &[i64], scale: f64) -> (f64, f64) {
    let pairs = real.iter().zip(integer).filter(|(x, _)| x.is_finite());
    pairs.fold((0.0, 0.0), |(signal, noise), (&x, &q)| {
        let (x, y) = (f64::from(x), q as f64 / scale);
        (signal + x * x, noise + (x - y) * (x - y))
    })
}

fn saturated(accumulators: &[i64], shift: u32, activation: &Activation) -> u64 {
    let wide = Activation { range: Interval::new(i64::MIN, i64::MAX), ..*activation };
    accumulators.iter().map(|&acc| rescale(acc, shift)).filter(|&q| wide.apply(q) != activation.apply(q)).count() as u64
}
