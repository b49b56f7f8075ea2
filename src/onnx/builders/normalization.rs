//! `BatchNormalization` in inference.

use ndarray::ArrayD;

use crate::graph::Op;
use crate::onnx::context::{Built, Context, Stop};

/// `y = scale (x - mean) / sqrt(variance + epsilon) + shift` per channel, as one factor and one summand.
pub(in crate::onnx) fn batch(context: &mut Context<'_>) -> Result<Built, Stop> {
    let epsilon = context.float("epsilon", 1e-5);
    context.ignore("momentum");
    context.require_int("training_mode", 0, "export the model in inference mode");
    context.require_int("spatial", 1, "export the model with statistics per channel");
    if context.outputs > 1 {
        // Before version 14 of the operators, this is how training mode is spelt.
        let reason = format!("got {} outputs, expected 1; export the model in inference mode", context.outputs);
        context.refuse(None, reason);
    }
    context.finish_attributes()?;
    context.expect_inputs(5, 5)?;
    let (input, shape) = context.activation(0)?;
    let channels = shape.first().copied().unwrap_or(0);
    let gamma = per_channel(context, 1, channels)?;
    let beta = per_channel(context, 2, channels)?;
    let mean = per_channel(context, 3, channels)?;
    let variance = per_channel(context, 4, channels)?;

    let mut scale = Vec::with_capacity(channels);
    let mut shift = Vec::with_capacity(channels);
    // In double precision: the square root and the difference would otherwise cost a few bits of each channel.
    for (((gamma, beta), mean), variance) in gamma.iter().zip(&beta).zip(&mean).zip(&variance) {
        let factor = f64::from(*gamma) / (f64::from(*variance) + f64::from(epsilon)).sqrt();
        scale.push(factor as f32);
        shift.push((f64::from(*beta) - f64::from(*mean) * factor) as f32);
    }
    if !scale.iter().chain(&shift).all(|value| value.is_finite()) {
        let reason = "a channel has a variance of no more than -epsilon or parameters that overflow, \
                      expected a positive variance; repair the statistics";
        return Err(context.refuse(None, reason));
    }
    Built::node(Op::ScaleShift { scale, shift }, vec![input])
}

fn per_channel(context: &mut Context<'_>, index: usize, channels: usize) -> Result<ArrayD<f32>, Stop> {
    let constant = context.constant(index)?;
    if constant.shape != [channels] {
        let got = format!("`{}` of shape {:?}", constant.name, constant.shape);
        return Err(context.shape_error(format!("one value for each of {channels} channels"), got));
    }
    Ok(constant.floats()?.clone())
}
