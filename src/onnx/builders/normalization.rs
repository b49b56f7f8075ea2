//! `BatchNormalization` in inference.

use ndarray::{ArrayD, IxDyn};

use crate::onnx::context::{Built, Context, Stop};

/// `y = scale (x - mean) / sqrt(variance + epsilon) + shift` per channel, as one factor and one summand.
pub(in crate::onnx) fn batch(context: &mut Context<'_>) -> Result<Built, Stop> {
    let epsilon = context.float("epsilon", 1e-5);
    context.ignore("momentum");
    context.require_int("training_mode", 0, "export the model in inference mode");
    context.require_int("spatial", 1, "export the model with statistics per channel");
    let outputs = context.outputs.iter().filter(|is_named| **is_named).count();
    if outputs > 1 {
        // Before version 14 of the operators, this is how training mode is spelt.
        let reason = format!("got {outputs} outputs, expected 1; export the model in inference mode");
        context.refuse(None, reason);
    }
    context.finish_attributes()?;
    context.expect_inputs(5, 5)?;
    let x = context.activation(0)?;
    // A value of a single axis has one channel, by the rules of ONNX.
    let channels = x.shape.get(1).copied().unwrap_or(1);
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
    let mut aligned = vec![channels];
    aligned.resize(x.shape.len().saturating_sub(1).max(1), 1);
    let spread = |values| {
        let values = ArrayD::from_shape_vec(IxDyn(&aligned), values);
        values.map_err(|error| context.shape_error(format!("{channels} channels"), error.to_string()))
    };
    let (scale, shift) = (spread(scale)?, spread(shift)?);
    Ok(context.scale_shift(&x, &scale, &shift)?.into())
}

fn per_channel(context: &mut Context<'_>, index: usize, channels: usize) -> Result<ArrayD<f32>, Stop> {
    let constant = context.constant(index)?;
    if constant.shape != [channels] {
        let got = format!("`{}` of shape {:?}", constant.name, constant.shape);
        return Err(context.shape_error(format!("one value for each of {channels} channels"), got));
    }
    Ok(constant.floats()?.clone())
}
