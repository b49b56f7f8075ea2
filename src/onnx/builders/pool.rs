//! `MaxPool` and `AveragePool` over images.

use crate::graph::{NodeId, Op};
use crate::onnx::context::{Built, Context, Stop};

/// The largest value of each window.
pub(in crate::onnx) fn max(context: &mut Context<'_>) -> Result<Built, Stop> {
    // The order of the indices, which are a second output that is not computed.
    context.ignore("storage_order");
    let (input, kernel, strides) = windows(context)?;
    Built::node(Op::MaxPool { kernel, strides }, vec![input])
}

/// The mean of each window.
pub(in crate::onnx) fn average(context: &mut Context<'_>) -> Result<Built, Stop> {
    // Says how to count padding, of which there is none.
    context.ignore("count_include_pad");
    let (input, kernel, strides) = windows(context)?;
    Built::node(Op::AveragePool { kernel, strides }, vec![input])
}

/// What both pools share: the operand, the size of the window and the steps.
fn windows(context: &mut Context<'_>) -> Result<(NodeId, [usize; 2], [usize; 2]), Stop> {
    context.require_explicit_padding();
    context.require_int("ceil_mode", 0, "choose sizes that the windows divide");
    context.require_ints("dilations", 1, "use windows of adjacent pixels");
    context.require_ints("pads", 0, "use a pool without padding");
    let kernel = context.sizes::<2>("kernel_shape", 1, None);
    let strides = context.sizes::<2>("strides", 1, Some([1, 1]));
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    let (Some(kernel), Some(strides)) = (kernel, strides) else { return Err(Stop::Refused) };
    let (input, _) = context.activation(0)?;
    Ok((input, kernel, strides))
}
