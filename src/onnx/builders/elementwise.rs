//! Arithmetic on operands that broadcast to each other: `Add`, `Sub`, `Mul`, `Div`, `Sum` and `Mean`.

use ndarray::{ArrayD, arr0};

use crate::graph::Op;
use crate::onnx::constant::Constant;
use crate::onnx::context::{Built, Context, Stop, Tensor};
use crate::onnx::draft::Operand;
use crate::onnx::fold::Arithmetic;
use inferproof_circuits::formula::Formula;

/// An operator of two operands.
pub(in crate::onnx) fn binary(context: &mut Context<'_>, operator: Arithmetic) -> Result<Built, Stop> {
    context.finish_attributes()?;
    context.expect_inputs(2, 2)?;
    let (left, right) = (context.required(0)?, context.required(1)?);
    Ok(combine(context, operator, left, right)?.into())
}

/// The sum of one or more operands.
pub(in crate::onnx) fn sum(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.finish_attributes()?;
    let operands = context.all_inputs()?;
    Ok(total(context, operands)?.into())
}

/// The mean of one or more operands.
pub(in crate::onnx) fn mean(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.finish_attributes()?;
    let operands = context.all_inputs()?;
    let count = operands.len() as f32;
    match total(context, operands)? {
        Tensor::Activation(x) => Ok(context.mul_constant(&x, &arr0(1.0 / count).into_dyn())?.into()),
        Tensor::Constant(sum) => Ok(sum.mapped(&context.name, |value| value / f64::from(count))?.into()),
    }
}

fn total(context: &mut Context<'_>, operands: Vec<Tensor>) -> Result<Tensor, Stop> {
    let mut operands = operands.into_iter();
    let Some(first) = operands.next() else { return Err(context.shape_error("at least one operand", "none")) };
    operands.try_fold(first, |sum, operand| combine(context, Arithmetic::Add, sum, operand))
}

/// Two operands, of which either may be a constant and either may be repeated to the shape of the other.
pub(super) fn combine(
    context: &mut Context<'_>,
    operator: Arithmetic,
    left: Tensor,
    right: Tensor,
) -> Result<Tensor, Stop> {
    let shape = context.broadcast(left.shape(), right.shape())?;
    match (left, right) {
        (Tensor::Constant(left), Tensor::Constant(right)) => {
            Ok(Constant::combined(&context.name, operator, &left, &right)?.into())
        }
        (Tensor::Activation(x), Tensor::Constant(constant)) => {
            let x = context.expand(&x, &shape)?;
            Ok(with_constant(context, operator, &x, &constant)?.into())
        }
        (Tensor::Constant(constant), Tensor::Activation(x)) => {
            let x = if operator == Arithmetic::Div { context.unary(Formula::Reciprocal, &x)? } else { x };
            let x = context.expand(&x, &shape)?;
            Ok(after_constant(context, operator, &constant, &x)?.into())
        }
        (Tensor::Activation(left), Tensor::Activation(right)) => {
            let (op, right) = match operator {
                Arithmetic::Add => (Op::Add, right),
                Arithmetic::Sub => (Op::Sub, right),
                Arithmetic::Mul => (Op::Mul, right),
                Arithmetic::Div => (Op::Mul, context.unary(Formula::Reciprocal, &right)?),
                Arithmetic::Max | Arithmetic::Min => {
                    return Ok(super::extremum::of_two(context, operator, &left, &right)?.into());
                }
            };
            let (left, right) = (context.expand(&left, &shape)?, context.expand(&right, &shape)?);
            Ok(context.elementwise(op, &[&left, &right])?.into())
        }
    }
}

fn with_constant(
    context: &mut Context<'_>,
    operator: Arithmetic,
    x: &Operand,
    constant: &Constant,
) -> Result<Operand, Stop> {
    let values = constant.floats()?;
    match operator {
        Arithmetic::Add => context.add_constant(x, values),
        Arithmetic::Sub => context.add_constant(x, &values.mapv(|value| -value)),
        Arithmetic::Mul => context.mul_constant(x, values),
        Arithmetic::Div => {
            let factors = reciprocals(context, constant)?;
            context.mul_constant(x, &factors)
        }
        Arithmetic::Max | Arithmetic::Min => super::extremum::with_constant(context, operator, x, values),
    }
}

/// With the constant as first operand. For a quotient, `x` already is the reciprocal of the second.
fn after_constant(
    context: &mut Context<'_>,
    operator: Arithmetic,
    constant: &Constant,
    x: &Operand,
) -> Result<Operand, Stop> {
    match operator {
        Arithmetic::Sub => context.subtract_from(constant.floats()?, x),
        Arithmetic::Div => context.mul_constant(x, constant.floats()?),
        _ => with_constant(context, operator, x, constant),
    }
}

/// In double precision, so that a division and a multiplication differ by one rounding at most.
fn reciprocals(context: &mut Context<'_>, constant: &Constant) -> Result<ArrayD<f32>, Stop> {
    let factors = constant.floats()?.mapv(|value| (1.0 / f64::from(value)) as f32);
    if factors.iter().all(|factor| factor.is_finite()) {
        return Ok(factors);
    }
    let reason = format!(
        "the divisor `{}` holds a value whose reciprocal is infinite, expected none near zero; repair the model",
        constant.name
    );
    Err(context.refuse(None, reason))
}
