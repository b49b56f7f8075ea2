//! `Pad`: new elements around a tensor, or fewer of them where the padding is negative.

use crate::graph::MAX_ELEMENTS;
use crate::onnx::context::{Built, Context, Stop, Tensor};
use crate::onnx::draft::Operand;
use crate::onnx::integers::Integers;

/// What stands in the padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// One value.
    Constant,
    /// The tensor mirrored at its edge, which is not repeated.
    Reflect,
    /// The element at the edge.
    Edge,
    /// The tensor again, from its other end.
    Wrap,
}

/// Pads each axis by a constant number of elements.
pub(in crate::onnx) fn pad(context: &mut Context<'_>) -> Result<Built, Stop> {
    let modes = [("constant", Mode::Constant), ("reflect", Mode::Reflect), ("edge", Mode::Edge), ("wrap", Mode::Wrap)];
    let mode = context.choice("mode", modes, "choose another padding").unwrap_or(Mode::Constant);
    let pads = context.moved_ints("pads", 11);
    let are_inputs = context.opset >= 11;
    let value = if are_inputs { 0.0 } else { context.float("value", 0.0) };
    context.finish_attributes()?;
    context.expect_inputs(1, if are_inputs { 4 } else { 1 })?;
    let mut x = context.any(0)?;
    let pads = pads.required(context, 1, "pads")?;
    let fill = match &x {
        Tensor::Activation(Operand { integers: Some(own), .. }) if are_inputs && mode == Mode::Constant => {
            integer_fill(context, *own)?
        }
        // The other modes, and integers in old versions of the operator, pad with nothing.
        Tensor::Activation(Operand { integers: Some(_), .. }) if are_inputs => 0.0,
        _ if are_inputs => context.optional_scalar(2)?.unwrap_or(0.0),
        _ => value,
    };
    let axes = match if are_inputs { context.optional_constant(3)? } else { None } {
        Some(axes) => context.axes(&axes.ints()?, x.shape().len())?,
        None => (0..x.shape().len()).collect(),
    };
    if pads.len() != 2 * axes.len() {
        let got = format!("{} numbers for {} axes", pads.len(), axes.len());
        return Err(context.shape_error("two numbers for each padded axis", got));
    }
    let (before, after) = pads.split_at(axes.len());
    for ((&axis, &before), &after) in axes.iter().zip(before).zip(after) {
        let length = x.shape().get(axis).copied().unwrap_or(0);
        let Some(padding) = Padding::new(length, before, after) else {
            let got = format!("{before} and {after} around {length}");
            return Err(context.shape_error(format!("padding that leaves 1 to {MAX_ELEMENTS} elements"), got));
        };
        if padding.kept == 0 && mode != Mode::Constant {
            return Err(context.shape_error("an element that can be repeated", format!("none on axis {axis}")));
        }
        x = context.take_any(&x, axis, padding.count, |index| padding.place(index, mode), fill)?;
    }
    Ok(x.into())
}

/// The real value that stands in the padding of a tensor of integers.
fn integer_fill(context: &mut Context<'_>, own: Integers) -> Result<f32, Stop> {
    let fill = match context.optional_constant(2)? {
        Some(constant) => constant.ints()?.first().copied().unwrap_or(0),
        None => 0,
    };
    if fill == i64::from(own.zero_point) {
        return Ok(0.0);
    }
    let reason = format!(
        "a tensor of integers with the zero point {} is padded with {fill}, expected the zero point;          pad it before it is quantised",
        own.zero_point
    );
    Err(context.refuse(None, reason))
}

/// Padding on one axis. Elements are cut off first, so that what is mirrored or repeated is what is left.
struct Padding {
    /// The first element that is kept.
    first: usize,
    /// How many are kept.
    kept: usize,
    /// Padding in front of them.
    before: usize,
    /// Elements of the result.
    count: usize,
}

impl Padding {
    fn new(length: usize, before: i64, after: i64) -> Option<Self> {
        let cut = |pad: i64| usize::try_from(pad.min(0).unsigned_abs()).ok();
        let added = |pad: i64| usize::try_from(pad.max(0)).ok();
        let kept = length.saturating_sub(cut(before)?).saturating_sub(cut(after)?);
        let count = kept.checked_add(added(before)?)?.checked_add(added(after)?)?;
        let is_cut_whole = cut(before)?.checked_add(cut(after)?)? > length;
        let is_fine = !is_cut_whole && (1..=MAX_ELEMENTS).contains(&count);
        is_fine.then_some(Self { first: cut(before)?, kept, before: added(before)?, count })
    }

    /// The element of the tensor that stands at an index of the result, `None` for the constant.
    fn place(&self, index: usize, mode: Mode) -> Option<usize> {
        // All are below 2^30.
        let (kept, offset) = (self.kept as i64, index as i64 - self.before as i64);
        let place = match mode {
            Mode::Constant => Some(offset).filter(|offset| (0..kept).contains(offset))?,
            Mode::Edge => offset.clamp(0, (kept - 1).max(0)),
            Mode::Wrap => offset.checked_rem_euclid(kept)?,
            Mode::Reflect => {
                let period = (2 * (kept - 1)).max(1);
                let phase = offset.checked_rem_euclid(period)?;
                phase.min(period - phase).min((kept - 1).max(0))
            }
        };
        usize::try_from(place).ok().map(|place| place + self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(length: usize, before: i64, after: i64, mode: Mode) -> Vec<Option<usize>> {
        let padding = Padding::new(length, before, after).unwrap();
        (0..padding.count).map(|index| padding.place(index, mode)).collect()
    }

    #[test]
    fn each_mode_fills_the_padding_in_its_way() {
        let some = |places: &[usize]| places.iter().copied().map(Some).collect::<Vec<_>>();
        assert_eq!(places(2, 1, 1, Mode::Constant), [None, Some(0), Some(1), None]);
        assert_eq!(places(3, 2, 3, Mode::Edge), some(&[0, 0, 0, 1, 2, 2, 2, 2]));
        assert_eq!(places(3, 4, 3, Mode::Reflect), some(&[0, 1, 2, 1, 0, 1, 2, 1, 0, 1]));
        assert_eq!(places(1, 1, 1, Mode::Reflect), some(&[0, 0, 0]));
        assert_eq!(places(3, 2, 4, Mode::Wrap), some(&[1, 2, 0, 1, 2, 0, 1, 2, 0]));
        assert_eq!(places(4, -1, 2, Mode::Reflect), some(&[1, 2, 3, 2, 1]));
        assert_eq!(places(4, -1, -2, Mode::Constant), some(&[1]));
    }

    #[test]
    fn sizes_out_of_bounds_are_refused() {
        for (before, after) in [(-3, -2), (-4, 0), (i64::MIN, 0), (i64::MAX, i64::MAX), (1 << 28, 0)] {
            assert!(Padding::new(4, before, after).is_none(), "{before} {after}");
        }
    }
}
