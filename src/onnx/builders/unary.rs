//! Functions of each element by itself.

use super::extremum::clip as clipped;
use crate::graph::Op;
use crate::onnx::broadcast::broadcast_shape;
use crate::onnx::context::{Built, Context, Stop, Tensor};
use inferproof_circuits::formula::{Formula, Real};

/// A function without attributes.
pub(in crate::onnx) fn plain(context: &mut Context<'_>, formula: Formula) -> Result<Built, Stop> {
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    match context.required(0)? {
        Tensor::Activation(x) => Ok(context.unary(formula, &x)?.into()),
        Tensor::Constant(constant) => Ok(constant.mapped(&context.name, |value| formula.evaluate(value))?.into()),
    }
}

/// `max(x, 0)`.
pub(in crate::onnx) fn relu(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    match context.required(0)? {
        Tensor::Activation(x) => Ok(context.elementwise(Op::Relu, &[&x])?.into()),
        Tensor::Constant(constant) => Ok(constant.mapped(&context.name, |value| value.max(0.0))?.into()),
    }
}

/// A function with the parameter `alpha`.
pub(in crate::onnx) fn with_alpha(
    context: &mut Context<'_>,
    default: f32,
    formula: fn(Real) -> Formula,
) -> Result<Built, Stop> {
    let alpha = context.float("alpha", default);
    plain(context, formula(Real(alpha.into())))
}

/// `Celu`, whose parameter is a divisor.
pub(in crate::onnx) fn celu(context: &mut Context<'_>) -> Result<Built, Stop> {
    let alpha = context.float("alpha", 1.0);
    if alpha == 0.0 {
        context.refuse_value("alpha", "0", "a number other than 0", "repair the model");
    }
    plain(context, Formula::Celu { alpha: Real(alpha.into()) })
}

/// `Selu`; the defaults are those of ONNX.
pub(in crate::onnx) fn selu(context: &mut Context<'_>) -> Result<Built, Stop> {
    let alpha = Real(context.float("alpha", 1.673_263_2).into());
    let gamma = Real(context.float("gamma", 1.050_701).into());
    plain(context, Formula::Selu { alpha, gamma })
}

/// `HardSigmoid`.
pub(in crate::onnx) fn hard_sigmoid(context: &mut Context<'_>) -> Result<Built, Stop> {
    let alpha = Real(context.float("alpha", 0.2).into());
    let beta = Real(context.float("beta", 0.5).into());
    plain(context, Formula::HardSigmoid { alpha, beta })
}

/// `Gelu`, exact or by a hyperbolic tangent.
pub(in crate::onnx) fn gelu(context: &mut Context<'_>) -> Result<Built, Stop> {
    let choices = [("none", Formula::Gelu), ("tanh", Formula::GeluTanh)];
    let formula = context.choice("approximate", choices, "choose one of them").unwrap_or(Formula::Gelu);
    plain(context, formula)
}

/// `Clip`. Its bounds are attributes before version 11 of the operators, and inputs from then on.
pub(in crate::onnx) fn clip(context: &mut Context<'_>) -> Result<Built, Stop> {
    let are_inputs = context.opset >= 11;
    let (mut lo, mut hi) = (f32::MIN, f32::MAX);
    if !are_inputs {
        (lo, hi) = (context.float("min", lo), context.float("max", hi));
    }
    context.finish_attributes()?;
    context.expect_inputs(1, if are_inputs { 3 } else { 1 })?;
    let x = context.required(0)?;
    if are_inputs {
        lo = context.optional_scalar(1)?.unwrap_or(lo);
        hi = context.optional_scalar(2)?.unwrap_or(hi);
    }
    match x {
        Tensor::Activation(x) => Ok(clipped(context, &x, lo, hi)?.into()),
        Tensor::Constant(constant) => {
            Ok(constant.mapped(&context.name, |value| value.max(lo.into()).min(hi.into()))?.into())
        }
    }
}

/// `PRelu`: `x` where it is positive, else `slope * x` with a constant slope that broadcasts to `x`.
pub(in crate::onnx) fn prelu(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.finish_attributes()?;
    context.expect_inputs(2, 2)?;
    let x = context.activation(0)?;
    let constant = context.constant(1)?;
    let slopes = constant.floats()?;
    if broadcast_shape(&x.shape, slopes.shape()).as_ref() != Some(&x.shape) {
        let got = format!("`{}` of shape {:?}", constant.name, constant.shape);
        return Err(context.shape_error(format!("slopes that broadcast to {:?}", x.shape), got));
    }
    let alpha = slopes.first().copied().unwrap_or(0.0);
    if slopes.iter().all(|&slope| slope == alpha) {
        return Ok(context.unary(Formula::LeakyRelu { alpha: Real(alpha.into()) }, &x)?.into());
    }
    // relu(x) - slope relu(-x)
    let positive = context.elementwise(Op::Relu, &[&x])?;
    let negated = context.unary(Formula::Neg, &x)?;
    let negative = context.elementwise(Op::Relu, &[&negated])?;
    let scaled = context.mul_constant(&negative, slopes)?;
    Ok(context.elementwise(Op::Sub, &[&positive, &scaled])?.into())
}
