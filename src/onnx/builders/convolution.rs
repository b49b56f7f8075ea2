//! `Conv` over images.

use ndarray::{Array1, Ix1, Ix4};

use crate::graph::Op;
use crate::onnx::context::{Built, Context, Stop};

/// A two-dimensional convolution with constant kernels, one group and no dilation.
pub(in crate::onnx) fn conv(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.require_explicit_padding();
    context.require_int("group", 1, "replace the grouped convolution by an ungrouped one with zero weights");
    context.require_ints("dilations", 1, "replace the dilated kernel by a larger one with zero weights");
    let kernel = if context.has("kernel_shape") { context.sizes::<2>("kernel_shape", 1, None) } else { None };
    let strides = context.sizes::<2>("strides", 1, Some([1, 1]));
    let pads = context.sizes::<4>("pads", 0, Some([0; 4]));
    context.finish_attributes()?;
    context.expect_inputs(2, 3)?;
    let (Some(strides), Some(pads)) = (strides, pads) else { return Err(Stop::Refused) };

    let (input, _) = context.activation(0)?;
    let constant = context.constant(1)?;
    let Ok(weights) = constant.floats()?.view().into_dimensionality::<Ix4>() else {
        let reason = format!(
            "the kernels `{}` have the shape {:?}, expected [out, in, height, width]; \
             only two-dimensional convolution is supported",
            constant.name, constant.shape
        );
        return Err(context.refuse(None, reason));
    };
    let weights = weights.to_owned();
    let (outputs, _, height, width) = weights.dim();
    if kernel.is_some_and(|kernel| kernel != [height, width]) {
        let got = format!("attribute `kernel_shape` {kernel:?}");
        return Err(context.shape_error(format!("the size of the kernels, [{height}, {width}]"), got));
    }
    let bias = match context.optional_constant(2)? {
        None => Array1::zeros(outputs),
        Some(bias) => bias.floats()?.view().into_dimensionality::<Ix1>().map(|bias| bias.to_owned()).map_err(|_| {
            context.shape_error(format!("a bias of shape [{outputs}]"), format!("shape {:?}", bias.shape))
        })?,
    };
    Built::node(Op::Conv { weights, bias, strides, pads }, vec![input])
}
