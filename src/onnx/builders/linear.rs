//! Matrix products with constant weights: `Gemm` and `MatMul`.

use ndarray::{Array1, Array2, Ix2};

use crate::graph::{NodeId, Op};
use crate::onnx::constant::Constant;
use crate::onnx::context::{Built, Context, Stop};

/// `Y = alpha A B + beta C` with an activation `A: [1, in]`; both factors go into the parameters.
pub(in crate::onnx) fn gemm(context: &mut Context<'_>) -> Result<Built, Stop> {
    let alpha = context.float("alpha", 1.0);
    let beta = context.float("beta", 1.0);
    let transposed = context.int("transB", 0) != 0;
    context.require_int("transA", 0, "transpose the activation before the product");
    context.finish_attributes()?;
    context.expect_inputs(2, 3)?;
    let (input, length) = vector(context)?;
    let constant = context.constant(1)?;
    let matrix = matrix(context, &constant)?;
    // Stored as [in, out] unless transposed; a layer wants [out, in].
    let weights = if transposed { matrix } else { matrix.reversed_axes() };
    if weights.ncols() != length {
        let got = format!("weights for {} inputs", weights.ncols());
        return Err(context.shape_error(format!("weights for {length} inputs"), got));
    }
    let bias = match context.optional_constant(2)? {
        Some(constant) => row_of(context, &constant, weights.nrows())?.mapv(|value| value * beta),
        None => Array1::zeros(weights.nrows()),
    };
    layer(context, input, weights.mapv(|value| value * alpha), bias)
}

/// `Y = A B` with an activation `A: [1, in]` and a constant `B: [in, out]`.
pub(in crate::onnx) fn matmul(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.finish_attributes()?;
    context.expect_inputs(2, 2)?;
    let (input, length) = vector(context)?;
    let constant = context.constant(1)?;
    let weights = matrix(context, &constant)?.reversed_axes();
    if weights.ncols() != length {
        let got = format!("weights for {} inputs", weights.ncols());
        return Err(context.shape_error(format!("weights for {length} inputs"), got));
    }
    let bias = Array1::zeros(weights.nrows());
    layer(context, input, weights, bias)
}

fn layer(context: &mut Context<'_>, input: NodeId, weights: Array2<f32>, bias: Array1<f32>) -> Result<Built, Stop> {
    if !weights.iter().chain(&bias).all(|value| value.is_finite()) {
        return Err(context.refuse(None, "`alpha` or `beta` makes a parameter infinite; scale the weights instead"));
    }
    let weights = weights.as_standard_layout().into_owned();
    Built::node(Op::Dense { weights, bias }, vec![input])
}

/// The first input, which must be one row: the node and the length of the row.
fn vector(context: &mut Context<'_>) -> Result<(NodeId, usize), Stop> {
    let (input, shape) = context.activation(0)?;
    match shape.as_slice() {
        &[length] => Ok((input, length)),
        _ => {
            let reason =
                format!("input 0 has the shape {shape:?} behind the batch axis, expected one vector; flatten it first");
            Err(context.refuse(None, reason))
        }
    }
}

fn matrix(context: &mut Context<'_>, constant: &Constant) -> Result<Array2<f32>, Stop> {
    let values = constant.floats()?.view().into_dimensionality::<Ix2>();
    values.map(|matrix| matrix.to_owned()).map_err(|_| {
        let reason = format!(
            "the weights `{}` have the shape {:?}, expected a matrix; reshape them before the export",
            constant.name, constant.shape
        );
        context.refuse(None, reason)
    })
}

/// A constant that broadcasts to `[1, length]`, as a vector.
fn row_of(context: &Context<'_>, constant: &Constant, length: usize) -> Result<Array1<f32>, Stop> {
    let values = constant.floats()?;
    let row = values.broadcast((1, length)).map(|matrix| matrix.row(0).to_owned());
    row.ok_or_else(|| {
        context.shape_error(format!("a bias that broadcasts to [1, {length}]"), format!("shape {:?}", constant.shape))
    })
}
