//! Shape rules: the one place that says which shape an operation yields.

mod layout;
mod windows;

use super::{Op, Window};
use inferproof_circuits::formula::Formula;

/// Most elements that the values of a network, or its weights, may have together.
///
/// 2^28 floats are 1 GiB; networks that can be proved are far smaller, so anything above is a mistake or an attack.
pub const MAX_ELEMENTS: usize = 1 << 28;

/// Most elements of windows, multiplications included, that a network may look at for one input.
///
/// A few bytes of a file may ask for windows of 2^28 elements at 2^28 places. This much takes a minute; networks that can be proved take far less.
pub const MAX_WORK: usize = 1 << 36;

/// Number of elements of a tensor of this shape, or `None` if it does not fit in a `usize`.
pub fn element_count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim))
}

/// Two shapes that do not fit together, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeFault {
    /// What was required.
    pub expected: String,
    /// What was found.
    pub got: String,
}

fn fault<T>(expected: impl Into<String>, got: impl Into<String>) -> Result<T, ShapeFault> {
    Err(ShapeFault { expected: expected.into(), got: got.into() })
}

impl Op {
    /// Shape of the result for inputs of the given shapes, all without the batch axis.
    ///
    /// `declared` is the shape the node states for itself. It decides for [`Op::Input`] and [`Op::Reshape`], whose
    /// result does not follow from the operands, and is ignored by the others.
    ///
    /// # Errors
    /// A [`ShapeFault`] if the operands, the parameters and the operation do not fit together.
    pub fn result_shape(&self, inputs: &[&[usize]], declared: &[usize]) -> Result<Vec<usize>, ShapeFault> {
        let shape = match (self, inputs) {
            (Op::Input, []) => declared.to_vec(),
            (Op::Add | Op::Sub | Op::Mul, [left, right]) => equal_shapes(left, right)?,
            (Op::Concat { axis }, [first, rest @ ..]) => layout::concat(*axis, first, rest)?,
            (_, [input]) => self.shape_from_one(input, declared)?,
            _ => return self.arity_fault(inputs.len()),
        };
        if shape.is_empty() || shape.contains(&0) {
            return fault("at least one axis and no empty axis", format!("a result of shape {shape:?}"));
        }
        Ok(shape)
    }

    /// Elements of windows that are looked at for a result of shape `result`, multiplications included; 0 for operations without windows, whose work
    /// goes with the elements of values and weights.
    pub(super) fn work(&self, result: &[usize]) -> usize {
        let places = |axes: &[usize]| element_count(axes).unwrap_or(usize::MAX);
        match self {
            Self::Conv { weights, .. } => weights.len().saturating_mul(places(result.get(1..).unwrap_or_default())),
            Self::IntegerConv { weights, .. } => {
                weights.len().saturating_mul(places(result.get(1..).unwrap_or_default()))
            }
            Self::MaxPool(window) | Self::SumPool { window, .. } => {
                places(&window.kernel).saturating_mul(places(result))
            }
            _ => 0,
        }
    }

    fn arity_fault(&self, got: usize) -> Result<Vec<usize>, ShapeFault> {
        let expected = self.arity().map_or("one or more operands".into(), |arity| format!("{arity} operands"));
        fault(expected, format!("{got}"))
    }

    /// Shape of the result of an operation with one operand.
    fn shape_from_one(&self, input: &[usize], declared: &[usize]) -> Result<Vec<usize>, ShapeFault> {
        match self {
            Op::Dense { weights, bias } => dense(weights.dim(), bias.len(), input),
            Op::Conv { weights, bias, strides, pads, dilations, groups } => {
                let (outputs, channels, height, width) = weights.dim();
                let window = Window { kernel: [height, width], strides: *strides, pads: *pads, dilations: *dilations };
                windows::conv([outputs, channels], bias.len(), *groups, &window, input)
            }
            Op::ScaleShift { scale, shift } => scale_shift(scale.len(), shift.len(), input),
            Op::AddConstant { values } | Op::MulConstant { values } => constants(values.shape(), input),
            Op::Relu | Op::BeforeMax | Op::DropMax => Ok(input.to_vec()),
            Op::Unary(formula) => unary(formula, input),
            Op::MaxPool(window) => windows::max_pool(window, input),
            Op::SumPool { window, divisor } => windows::sum_pool(window, *divisor, input),
            &Op::Quantise { step, lo, hi } => quantise(step, lo, hi, input),
            Op::IntegerConv { weights, bias, operand_step, steps, window, groups } => {
                let (outputs, channels, height, width) = weights.dim();
                if window.kernel != [height, width] {
                    return fault(format!("a window of {height} times {width}"), format!("{:?}", window.kernel));
                }
                integer_steps(outputs, *operand_step, steps)?;
                windows::conv([outputs, channels], bias.len(), *groups, window, input)
            }
            &Op::Restep { from, to, .. } => restep(from, to, input),
            Op::Reshape => layout::reshape(input, declared),
            Op::Transpose { perm } => layout::transpose(perm, input),
            Op::Take { axis, indices, fill } => layout::take(*axis, indices, *fill, input),
            Op::Input | Op::Add | Op::Sub | Op::Mul | Op::Concat { .. } => self.arity_fault(1),
        }
    }
}

fn equal_shapes(left: &[usize], right: &[usize]) -> Result<Vec<usize>, ShapeFault> {
    if left == right {
        return Ok(left.to_vec());
    }
    fault(format!("two operands of shape {left:?}"), format!("a second operand of shape {right:?}"))
}

fn dense((out, inputs): (usize, usize), bias: usize, input: &[usize]) -> Result<Vec<usize>, ShapeFault> {
    if input != [inputs] {
        return fault(
            format!("an input of shape [{inputs}] for weights of shape [{out}, {inputs}]"),
            format!("{input:?}"),
        );
    }
    if bias != out {
        return fault(format!("a bias of length {out}"), format!("length {bias}"));
    }
    Ok(vec![out])
}

fn scale_shift(scale: usize, shift: usize, input: &[usize]) -> Result<Vec<usize>, ShapeFault> {
    match input.first() {
        Some(&channels) if channels == scale && channels == shift => Ok(input.to_vec()),
        Some(channels) => {
            fault(format!("{channels} factors and summands"), format!("{scale} factors and {shift} summands"))
        }
        None => fault("an input with at least one axis", "a scalar"),
    }
}

fn constants(values: &[usize], input: &[usize]) -> Result<Vec<usize>, ShapeFault> {
    if values == input {
        return Ok(input.to_vec());
    }
    fault(format!("constants of shape {input:?}"), format!("{values:?}"))
}

fn unary(formula: &Formula, input: &[usize]) -> Result<Vec<usize>, ShapeFault> {
    match formula.parameters().into_iter().find(|parameter| !parameter.is_finite()) {
        None => Ok(input.to_vec()),
        Some(parameter) => fault("finite parameters of the function", format!("{parameter}")),
    }
}

fn quantise(step: f32, lo: i32, hi: i32, input: &[usize]) -> Result<Vec<usize>, ShapeFault> {
    if !is_step(step.into()) {
        return step_fault(step);
    }
    if lo > hi {
        return fault(format!("a greatest multiple of at least {lo}"), format!("{hi}"));
    }
    Ok(input.to_vec())
}

fn restep(from: f32, to: f32, input: &[usize]) -> Result<Vec<usize>, ShapeFault> {
    match [from, to].into_iter().find(|&step| !is_step(step.into())) {
        None => Ok(input.to_vec()),
        Some(step) => step_fault(step),
    }
}

fn integer_steps(outputs: usize, operand_step: f32, steps: &[f64]) -> Result<(), ShapeFault> {
    if steps.len() != outputs {
        return fault(format!("{outputs} steps, one for each output channel"), format!("{}", steps.len()));
    }
    match std::iter::once(f64::from(operand_step)).chain(steps.iter().copied()).find(|&step| !is_step(step)) {
        None => Ok(()),
        Some(step) => step_fault(step),
    }
}

fn is_step(step: f64) -> bool {
    step.is_finite() && step > 0.0
}

fn step_fault<T>(step: impl std::fmt::Display) -> Result<T, ShapeFault> {
    fault("a finite step above 0", format!("{step}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use inferproof_circuits::formula::Real;
    use ndarray::{Array4, ArrayD, IxDyn};

    #[test]
    fn operands_are_counted() {
        let two: &[&[usize]] = &[&[1], &[1]];
        for op in [Op::Add, Op::Sub, Op::Mul] {
            assert_eq!(op.result_shape(two, &[]).unwrap(), [1]);
            assert!(op.result_shape(&[&[1]], &[]).is_err());
            assert!(op.result_shape(&[&[1], &[1], &[1]], &[]).is_err());
            assert!(op.result_shape(&[&[1], &[2]], &[]).is_err());
        }
        for op in [Op::Relu, Op::BeforeMax, Op::Unary(Formula::Abs), Op::MaxPool(Window::tiles([1, 1]))] {
            assert!(op.result_shape(two, &[]).is_err());
            assert!(op.result_shape(&[], &[]).is_err());
        }
        assert!(Op::Input.result_shape(&[&[1]], &[1]).is_err());
        let fault = Op::Concat { axis: 0 }.result_shape(&[], &[]).unwrap_err();
        assert_eq!(fault.expected, "one or more operands");
    }

    #[test]
    fn empty_axes_and_scalars_are_refused() {
        assert!(Op::Input.result_shape(&[], &[]).is_err());
        assert!(Op::Input.result_shape(&[], &[2, 0]).is_err());
        assert!(Op::Reshape.result_shape(&[&[1]], &[]).is_err());
        assert!(Op::BeforeMax.result_shape(&[&[]], &[]).is_err());
        assert!(Op::BeforeMax.result_shape(&[&[3, 0]], &[]).is_err());
    }

    #[test]
    fn constants_have_the_shape_of_the_operand() {
        let values = ArrayD::zeros(IxDyn(&[2, 3]));
        for op in [Op::AddConstant { values: values.clone() }, Op::MulConstant { values }] {
            assert_eq!(op.result_shape(&[&[2, 3]], &[]).unwrap(), [2, 3]);
            for other in [&[3, 2][..], &[6], &[1, 2, 3]] {
                assert!(op.result_shape(&[other], &[]).is_err());
            }
        }
        let op = Op::ScaleShift { scale: vec![1.0; 2], shift: vec![0.0; 2] };
        assert_eq!(op.result_shape(&[&[2, 3]], &[]).unwrap(), [2, 3]);
        assert!(op.result_shape(&[&[3, 2]], &[]).is_err());
    }

    #[test]
    fn parameters_of_a_function_are_finite() {
        let clip = |lo, hi| Op::Unary(Formula::Clip { lo: Real(lo), hi: Real(hi) });
        assert_eq!(clip(-1.0, 1.0).result_shape(&[&[2, 3]], &[]).unwrap(), [2, 3]);
        assert!(clip(f64::NEG_INFINITY, 1.0).result_shape(&[&[2, 3]], &[]).is_err());
        assert!(clip(-1.0, f64::NAN).result_shape(&[&[2, 3]], &[]).is_err());
    }

    #[test]
    fn steps_are_positive_and_finite_and_ends_in_order() {
        let shape = |op: Op| op.result_shape(&[&[2, 3, 3]], &[]);
        let integer = |operand_step, steps: &[f64], kernel| Op::IntegerConv {
            weights: Array4::zeros((2, 2, 2, 1)),
            bias: vec![0; 2],
            operand_step,
            steps: steps.to_vec(),
            window: Window::tiles(kernel),
            groups: 1,
        };
        let quantise = |step, lo, hi| Op::Quantise { step, lo, hi };
        let restep = |from, to| Op::Restep { from, shift: 0, to };
        assert_eq!(shape(quantise(0.5, 3, 3)).unwrap(), [2, 3, 3]);
        assert_eq!(shape(restep(0.5, 1.0)).unwrap(), [2, 3, 3]);
        assert_eq!(shape(integer(0.5, &[1.0, 2.0], [2, 1])).unwrap(), [2, 1, 3]);
        assert!(shape(quantise(0.5, 4, 3)).is_err());
        assert!(shape(integer(0.5, &[1.0], [2, 1])).is_err());
        assert!(shape(integer(0.5, &[1.0, 2.0], [1, 2])).is_err());
        for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let bad_step = integer(1.0, &[1.0, bad.into()], [2, 1]);
            for op in
                [quantise(bad, 0, 1), restep(bad, 1.0), restep(1.0, bad), integer(bad, &[1.0; 2], [2, 1]), bad_step]
            {
                assert_eq!(shape(op).unwrap_err().expected, "a finite step above 0");
            }
        }
    }
}
