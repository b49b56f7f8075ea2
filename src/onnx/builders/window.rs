//! How windows lie on an image: what convolutions and pools share.

use crate::onnx::context::{Context, Stop};

/// The windows on one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slide {
    /// Elements of a window.
    pub kernel: usize,
    /// Step from one window to the next.
    pub stride: usize,
    /// Distance of neighbouring elements of a window.
    pub dilation: usize,
    /// Padding in front of the axis.
    pub before: usize,
    /// Padding behind it.
    pub after: usize,
}

impl Slide {
    /// One window for each element: an axis on which nothing happens.
    pub const POINT: Self = Self { kernel: 1, stride: 1, dilation: 1, before: 0, after: 0 };

    /// From the first element of a window to its last, both counted. Windows have at least one element.
    pub fn extent(&self) -> usize {
        self.dilation * (self.kernel - 1) + 1
    }

    /// How many windows fit.
    pub fn count(&self, length: usize) -> Option<usize> {
        (length + self.before + self.after).checked_sub(self.extent()).map(|room| room / self.stride + 1)
    }

    /// With padding behind the axis such that a window that hangs over counts, if it starts before that padding.
    pub fn rounded_up(self, length: usize) -> Self {
        let Some(room) = (length + self.before + self.after).checked_sub(self.extent()) else { return self };
        let last = room.div_ceil(self.stride);
        // Only the last window can start in the padding.
        let last = if last > 0 && last * self.stride >= length + self.before { last - 1 } else { last };
        let after = (last * self.stride + self.extent()).saturating_sub(length + self.before);
        Self { after, ..self }
    }
}

/// The attributes of an operator with windows. All sizes are limited, so that sums and products of two fit in a word.
pub(super) struct Windows {
    auto_pad: AutoPad,
    kernel: Option<Vec<usize>>,
    strides: Option<Vec<usize>>,
    dilations: Option<Vec<usize>>,
    pads: Option<Vec<usize>>,
}

/// Who chooses the padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AutoPad {
    /// The attribute `pads`.
    Explicit,
    /// There is none.
    Valid,
    /// As much as leaves `length / stride` windows, rounded up. An odd one goes behind the axis.
    SameUpper,
    /// The same, but an odd one goes in front.
    SameLower,
}

impl Windows {
    /// Reads the attributes.
    pub fn read(context: &mut Context<'_>) -> Self {
        let modes = [
            ("NOTSET", AutoPad::Explicit),
            ("VALID", AutoPad::Valid),
            ("SAME_UPPER", AutoPad::SameUpper),
            ("SAME_LOWER", AutoPad::SameLower),
        ];
        Self {
            auto_pad: context.choice("auto_pad", modes, "use explicit `pads`").unwrap_or(AutoPad::Explicit),
            kernel: context.sizes("kernel_shape", 1),
            strides: context.sizes("strides", 1),
            dilations: context.sizes("dilations", 1),
            pads: context.sizes("pads", 0),
        }
    }

    /// Who chooses the padding.
    pub fn auto_pad(&self) -> AutoPad {
        self.auto_pad
    }

    /// The attribute `kernel_shape` of an operator that has nothing else to tell the size of its windows, and that
    /// called [`require_kernel`].
    pub fn own_kernel(&self) -> Vec<usize> {
        self.kernel.clone().unwrap_or_default()
    }

    /// The windows on each axis of an image, with the padding that the attributes ask for.
    pub fn resolve(&self, context: &mut Context<'_>, kernel: &[usize], lengths: &[usize]) -> Result<Vec<Slide>, Stop> {
        let mut slides = self.unpadded(context, kernel, lengths.len())?;
        let pads = self.pads(context, lengths.len())?;
        let rank = lengths.len();
        for (axis, (slide, &length)) in slides.iter_mut().zip(lengths).enumerate() {
            let explicit = (pads.get(axis).copied().unwrap_or(0), pads.get(axis + rank).copied().unwrap_or(0));
            (slide.before, slide.after) = match self.auto_pad {
                AutoPad::Explicit => explicit,
                AutoPad::Valid => (0, 0),
                AutoPad::SameUpper | AutoPad::SameLower => same(slide, length, self.auto_pad),
            };
            if self.pads.is_some() && explicit != (slide.before, slide.after) && explicit != (0, 0) {
                return Err(self.refuse_pads(context));
            }
        }
        Ok(slides)
    }

    /// Refuses padding that contradicts `auto_pad`.
    pub fn refuse_pads(&self, context: &mut Context<'_>) -> Stop {
        context.refuse(Some("pads"), "got `pads` beside `auto_pad`, expected one of them; remove the wrong one")
    }

    /// The windows on each axis of an image, before padding.
    pub fn unpadded(&self, context: &mut Context<'_>, kernel: &[usize], rank: usize) -> Result<Vec<Slide>, Stop> {
        if let Some(own) = self.kernel.as_ref().filter(|own| *own != kernel) {
            let got = format!("attribute `kernel_shape` {own:?}");
            return Err(context.shape_error(format!("windows of the size {kernel:?}"), got));
        }
        expect_entries(context, "kernel_shape", kernel.len(), rank)?;
        let strides = per_axis(context, "strides", self.strides.as_ref(), rank)?;
        let dilations = per_axis(context, "dilations", self.dilations.as_ref(), rank)?;
        let slides = kernel.iter().zip(strides).zip(dilations);
        Ok(slides.map(|((&kernel, stride), dilation)| Slide { kernel, stride, dilation, ..Slide::POINT }).collect())
    }

    /// The attribute `pads`: in front of each axis, then behind each.
    pub fn pads(&self, context: &mut Context<'_>, rank: usize) -> Result<Vec<usize>, Stop> {
        let pads = self.pads.clone().unwrap_or_else(|| vec![0; 2 * rank]);
        expect_entries(context, "pads", pads.len(), 2 * rank)?;
        Ok(pads)
    }
}

/// Notes that the attribute `kernel_shape` is missing. Call it before [`Windows::read`].
pub(super) fn require_kernel(context: &mut Context<'_>) {
    if !context.has("kernel_shape") {
        let reason = "missing, expected the size of a window on each axis; export the model again";
        context.refuse(Some("kernel_shape"), reason);
    }
}

/// Padding that leaves one window for every `stride` elements, or part of it.
fn same(slide: &Slide, length: usize, mode: AutoPad) -> (usize, usize) {
    let windows = length.div_ceil(slide.stride);
    let reach = windows.saturating_sub(1) * slide.stride + slide.extent();
    split_padding(reach.saturating_sub(length), mode == AutoPad::SameLower)
}

/// A total of padding in two halves, of which one may be larger.
pub(super) fn split_padding(total: usize, more_in_front: bool) -> (usize, usize) {
    let (small, large) = (total / 2, total - total / 2);
    if more_in_front { (large, small) } else { (small, large) }
}

/// A list with one entry for each axis; ones if it is missing.
fn per_axis(context: &mut Context<'_>, name: &str, list: Option<&Vec<usize>>, rank: usize) -> Result<Vec<usize>, Stop> {
    let list = list.cloned().unwrap_or_else(|| vec![1; rank]);
    expect_entries(context, name, list.len(), rank)?;
    Ok(list)
}

/// Refuses a list that does not have one entry (or two) for each spatial axis.
pub(super) fn expect_entries(context: &mut Context<'_>, name: &str, got: usize, expected: usize) -> Result<(), Stop> {
    if got == expected {
        return Ok(());
    }
    let (got, expected) = (format!("{got} entries"), format!("{expected} for the spatial axes of the input"));
    Err(context.refuse_value(name, &got, &expected, "export the model again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_up_adds_windows_that_hang_over_but_none_that_start_in_the_padding() {
        let count = |slide: Slide, length| slide.rounded_up(length).count(length);
        let slide = Slide { kernel: 3, stride: 2, ..Slide::POINT };
        assert_eq!((slide.count(4), count(slide, 4)), (Some(1), Some(2)));
        assert_eq!((slide.count(5), count(slide, 5)), (Some(2), Some(2)));
        assert_eq!(count(Slide { kernel: 1, stride: 2, ..slide }, 2), Some(1));
        // The windows start at -1, 2 and 5, of which the last is outside.
        let padded = Slide { kernel: 2, stride: 3, before: 1, after: 1, ..slide };
        assert_eq!((padded.count(4), count(padded, 4)), (Some(2), Some(2)));
        assert_eq!(count(Slide { kernel: 9, ..slide }, 2), None);
    }

    #[test]
    fn automatic_padding_puts_the_odd_one_where_its_name_says() {
        let slide = Slide { kernel: 2, ..Slide::POINT };
        assert_eq!(same(&slide, 5, AutoPad::SameUpper), (0, 1));
        assert_eq!(same(&slide, 5, AutoPad::SameLower), (1, 0));
        assert_eq!(same(&Slide { stride: 4, ..slide }, 5, AutoPad::SameUpper), (0, 1));
    }
}
