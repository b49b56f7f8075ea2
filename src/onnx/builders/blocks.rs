//! `DepthToSpace` and `SpaceToDepth`: blocks of pixels become channels, or the other way round.

use crate::onnx::context::{Built, Context, Stop};
use crate::onnx::draft::Operand;

/// Channels become blocks of `blocksize` times `blocksize` pixels.
pub(in crate::onnx) fn depth_to_space(context: &mut Context<'_>) -> Result<Built, Stop> {
    let block = block_size(context);
    let modes = [("DCR", true), ("CRD", false)];
    let block_comes_first = context.choice("mode", modes, "choose one of them").unwrap_or(true);
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    let (x, [batch, channels, height, width]) = image(context)?;
    let inner = channels / (block * block).max(1);
    if inner * block * block != channels {
        return Err(context.shape_error(format!("channels in blocks of {block} times {block}"), format!("{channels}")));
    }
    let (split, perm) = if block_comes_first {
        (vec![batch, block, block, inner, height, width], [0, 3, 4, 1, 5, 2])
    } else {
        (vec![batch, inner, block, block, height, width], [0, 1, 4, 2, 5, 3])
    };
    let x = context.reshape(&x, split)?;
    let x = context.transpose(&x, &perm)?;
    Ok(context.reshape(&x, vec![batch, inner, height * block, width * block])?.into())
}

/// Blocks of `blocksize` times `blocksize` pixels become channels.
pub(in crate::onnx) fn space_to_depth(context: &mut Context<'_>) -> Result<Built, Stop> {
    let block = block_size(context);
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    let (x, [batch, channels, height, width]) = image(context)?;
    if !height.is_multiple_of(block) || !width.is_multiple_of(block) {
        return Err(context.shape_error(format!("an image in blocks of {block}"), format!("{height} times {width}")));
    }
    let (rows, columns) = (height / block, width / block);
    let x = context.reshape(&x, vec![batch, channels, rows, block, columns, block])?;
    let x = context.transpose(&x, &[0, 3, 5, 1, 2, 4])?;
    Ok(context.reshape(&x, vec![batch, channels * block * block, rows, columns])?.into())
}

/// The attribute `blocksize`; a value that no image has is noted.
fn block_size(context: &mut Context<'_>) -> usize {
    let missing = !context.has("blocksize");
    let got = context.required_int("blocksize");
    let size = usize::try_from(got).ok().filter(|size| (1..1 << 16).contains(size));
    if size.is_none() && !missing {
        context.refuse_value("blocksize", &got.to_string(), "1 to 65535", "export the model again");
    }
    size.unwrap_or(1)
}

fn image(context: &mut Context<'_>) -> Result<(Operand, [usize; 4]), Stop> {
    let x = context.any_activation(0)?;
    match <[usize; 4]>::try_from(x.shape.as_slice()) {
        Ok(shape) => Ok((x, shape)),
        Err(_) => {
            Err(context.shape_error("an image of shape [batch, channels, height, width]", format!("{:?}", x.shape)))
        }
    }
}
