//! `MaxPool`, `AveragePool` and their global forms, over signals, images and volumes.
//!
//! Channels do not mix, so a batch joins them. A volume takes two pools: over height and width, then over depth.

use ndarray::ArrayD;

use super::window::{AutoPad, Slide, Windows, require_kernel};
use crate::graph::{Op, Window};
use crate::onnx::context::{Built, Context, Stop};
use crate::onnx::draft::Operand;

/// The largest value of each window.
pub(in crate::onnx) fn max(context: &mut Context<'_>) -> Result<Built, Stop> {
    // The order of the indices, which are a second output that is not computed.
    context.ignore("storage_order");
    require_kernel(context);
    let windows = Windows::read(context);
    let is_rounded_up = context.int("ceil_mode", 0) != 0;
    context.finish_attributes()?;
    // The largest integer has the largest real value.
    let x = context.any_activation(0)?;
    let (lengths, slides) = operand(context, &x, &windows)?;
    let slides = if is_rounded_up { rounded_up(&slides, &lengths, &windows) } else { slides };
    let y = pool(context, &x, &slides, |window, _| Op::MaxPool(window))?;
    Ok(Operand { integers: x.integers, ..y }.into())
}

/// The mean of each window.
pub(in crate::onnx) fn average(context: &mut Context<'_>) -> Result<Built, Stop> {
    let counts_padding = context.int("count_include_pad", 0) != 0;
    require_kernel(context);
    let windows = Windows::read(context);
    let is_rounded_up = context.int("ceil_mode", 0) != 0;
    context.finish_attributes()?;
    let x = context.activation(0)?;
    let (lengths, slides) = operand(context, &x, &windows)?;
    let padded = if is_rounded_up { rounded_up(&slides, &lengths, &windows) } else { slides.clone() };
    let mut axes = Vec::with_capacity(slides.len());
    for ((slide, padded), &length) in slides.iter().zip(&padded).zip(&lengths) {
        // What a rounded-up window has beyond the padding never counts.
        let end = if counts_padding { slide.before + length + slide.after } else { slide.before + length };
        let start = if counts_padding { 0 } else { slide.before };
        axes.push(Mean::new(context, padded, length, start..end)?);
    }
    let divisors: Vec<usize> = axes.iter().map(|mean| mean.divisor).collect();
    let y = pool(context, &x, &padded, |window, range| Op::SumPool {
        window,
        divisor: divisors.get(range).unwrap_or_default().iter().map(|&count| count as f32).product(),
    })?;
    Ok(corrected(context, &y, axes)?.into())
}

/// The largest value of each channel.
pub(in crate::onnx) fn global_max(context: &mut Context<'_>) -> Result<Built, Stop> {
    global(context, |window, _| Op::MaxPool(window))
}

/// The mean of each channel.
pub(in crate::onnx) fn global_average(context: &mut Context<'_>) -> Result<Built, Stop> {
    global(context, |window, count| Op::SumPool { window, divisor: count as f32 })
}

fn global(context: &mut Context<'_>, op: impl Fn(Window, usize) -> Op) -> Result<Built, Stop> {
    context.finish_attributes()?;
    context.expect_inputs(1, 1)?;
    let x = context.activation(0)?;
    let &[batch, channels, height, ref rest @ ..] = x.shape.as_slice() else {
        let expected = "a batch axis, channels and at least one spatial axis";
        return Err(context.shape_error(expected, format!("{:?}", x.shape)));
    };
    let width: usize = rest.iter().product();
    let image = context.reshape(&x, vec![1, batch * channels, height, width])?;
    let y = context.on_sample(op(Window::tiles([height, width]), height * width), &image)?;
    let mut shape = vec![1; x.shape.len()];
    shape.splice(..2, [batch, channels]);
    Ok(context.reshape(&y, shape)?.into())
}

/// What both pools share: the sizes of the spatial axes of the operand and the windows on them.
fn operand(context: &mut Context<'_>, x: &Operand, windows: &Windows) -> Result<(Vec<usize>, Vec<Slide>), Stop> {
    context.expect_inputs(1, 1)?;
    match x.shape.get(2..) {
        Some(lengths) if (1..=3).contains(&lengths.len()) => {
            let lengths = lengths.to_vec();
            let slides = windows.resolve(context, &windows.own_kernel(), &lengths)?;
            Ok((lengths, slides))
        }
        _ => {
            let reason = format!(
                "the input has the shape {:?}, expected a batch axis, channels and 1 to 3 spatial axes; reshape it",
                x.shape
            );
            Err(context.refuse(None, reason))
        }
    }
}

/// Automatic padding leaves nothing to round.
fn rounded_up(slides: &[Slide], lengths: &[usize], windows: &Windows) -> Vec<Slide> {
    let is_explicit = windows.auto_pad() == AutoPad::Explicit;
    let round = |(slide, length): (&Slide, &usize)| if is_explicit { slide.rounded_up(*length) } else { *slide };
    slides.iter().zip(lengths).map(round).collect()
}

/// Pools over the last one, two or three axes. `op` gets the windows of a pool and which of the axes they are.
fn pool(
    context: &mut Context<'_>,
    x: &Operand,
    slides: &[Slide],
    op: impl Fn(Window, std::ops::Range<usize>) -> Op,
) -> Result<Operand, Stop> {
    let (front, lengths) = x.shape.split_at(x.shape.len() - slides.len().min(x.shape.len()));
    let planes: usize = front.iter().product();
    let y = match (slides, lengths) {
        (&[slide], &[length]) => {
            let x = context.reshape(x, vec![1, planes, 1, length])?;
            context.on_sample(op(window([Slide::POINT, slide]), 0..1), &x)?
        }
        (&[v, h], &[height, width]) => {
            let x = context.reshape(x, vec![1, planes, height, width])?;
            context.on_sample(op(window([v, h]), 0..2), &x)?
        }
        (&[along_depth, v, h], &[depth, height, width]) => {
            let x = context.reshape(x, vec![1, planes * depth, height, width])?;
            let y = context.on_sample(op(window([v, h]), 1..3), &x)?;
            let size = y.shape.get(2..).unwrap_or_default().iter().product();
            let slices = context.reshape(&y, vec![1, planes, depth, size])?;
            let z = context.on_sample(op(window([along_depth, Slide::POINT]), 0..1), &slices)?;
            let sizes = [z.shape.get(2..3), y.shape.get(2..)].map(Option::unwrap_or_default).concat();
            return context.reshape(&z, [front, &sizes].concat());
        }
        _ => return Err(context.shape_error("windows on one to three axes", format!("{}", slides.len()))),
    };
    let sizes = y.shape.get(4 - slides.len()..).unwrap_or_default();
    context.reshape(&y, [front, sizes].concat())
}

fn window([v, h]: [Slide; 2]) -> Window {
    Window {
        kernel: [v.kernel, h.kernel],
        strides: [v.stride, h.stride],
        pads: [v.before, h.before, v.after, h.after],
        dilations: [v.dilation, h.dilation],
    }
}

/// How the sums of windows become means, on one axis: the divisor, and a factor for each window that counts fewer
/// elements than it has.
struct Mean {
    divisor: usize,
    factors: Option<Vec<f32>>,
    windows: usize,
}

impl Mean {
    /// `counted` are the positions that count, as seen from the start of the padding.
    fn new(
        context: &mut Context<'_>,
        slide: &Slide,
        length: usize,
        counted: std::ops::Range<usize>,
    ) -> Result<Self, Stop> {
        let windows = slide.count(length).unwrap_or(0);
        if windows == 0 {
            return Err(context.shape_error("an axis that holds a window", format!("length {length} for {slide:?}")));
        }
        context.fits(&[windows])?;
        // Elements of the window in front of a position.
        let below = |start: usize, end: usize| end.saturating_sub(start).div_ceil(slide.dilation).min(slide.kernel);
        let counts = (0..windows).map(|index| {
            let start = index * slide.stride;
            below(start, counted.end) - below(start, counted.start)
        });
        let counts: Vec<usize> = counts.collect();
        let first = counts.first().copied().unwrap_or(0);
        if counts.contains(&0) {
            let reason = "a window holds padding only, expected an element to take the mean of; use less padding";
            return Err(context.refuse(Some("pads"), reason));
        }
        if counts.iter().all(|&count| count == first) {
            return Ok(Self { divisor: first, factors: None, windows });
        }
        let factors = counts.iter().map(|&count| (slide.kernel as f64 / count as f64) as f32).collect();
        Ok(Self { divisor: slide.kernel, factors: Some(factors), windows })
    }
}

/// Multiplies each mean by the factors of its window on all axes.
fn corrected(context: &mut Context<'_>, y: &Operand, axes: Vec<Mean>) -> Result<Operand, Stop> {
    if axes.iter().all(|mean| mean.factors.is_none()) {
        return Ok(y.clone());
    }
    let shape: Vec<usize> = axes.iter().map(|mean| mean.windows).collect();
    context.fits(&shape)?;
    let factors = ArrayD::from_shape_fn(shape, |index| {
        let own = |(axis, mean): (usize, &Mean)| mean.factors.as_ref().map_or(1.0, |factors| factors[index[axis]]);
        axes.iter().enumerate().map(own).product()
    });
    context.mul_constant(y, &factors)
}
