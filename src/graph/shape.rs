//! Shape rules: the one place that says which shape an operation yields.

use super::Op;

/// Most elements that the values of a network, or its weights, may have together.
///
/// 2^28 floats are 1 GiB; networks that can be proved are far smaller, so anything above is a mistake or an attack.
pub const MAX_ELEMENTS: usize = 1 << 28;

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
            (Op::Add, [left, right]) => add_shape(left, right)?,
            (Op::Input | Op::Add, _) => return self.arity_fault(inputs.len()),
            (_, [input]) => self.unary_shape(input, declared)?,
            _ => return self.arity_fault(inputs.len()),
        };
        if shape.is_empty() || shape.contains(&0) {
            return fault("at least one axis and no empty axis", format!("a result of shape {shape:?}"));
        }
        Ok(shape)
    }

    fn arity_fault(&self, got: usize) -> Result<Vec<usize>, ShapeFault> {
        fault(format!("{} operands", self.arity()), format!("{got}"))
    }

    fn unary_shape(&self, input: &[usize], declared: &[usize]) -> Result<Vec<usize>, ShapeFault> {
        match self {
            Op::Dense { weights, bias } => dense_shape(weights.dim(), bias.len(), input),
            Op::Conv { weights, bias, strides, pads } => conv_shape(weights.dim(), bias.len(), *strides, *pads, input),
            Op::ScaleShift { scale, shift } => scale_shift_shape(scale.len(), shift.len(), input),
            Op::AddConstant { values } if values.shape() == input => Ok(input.to_vec()),
            Op::AddConstant { values } => {
                fault(format!("constants of shape {input:?}"), format!("{:?}", values.shape()))
            }
            Op::MaxPool { kernel, strides } | Op::AveragePool { kernel, strides } => {
                pool_shape(*kernel, *strides, input)
            }
            Op::Reshape => reshape_shape(input, declared),
            Op::Transpose { perm } => transpose_shape(perm, input),
            Op::Relu | Op::Input | Op::Add => Ok(input.to_vec()),
        }
    }
}

fn add_shape(left: &[usize], right: &[usize]) -> Result<Vec<usize>, ShapeFault> {
    if left == right {
        return Ok(left.to_vec());
    }
    fault(format!("two operands of shape {left:?}"), format!("a second operand of shape {right:?}"))
}

fn dense_shape((out, inputs): (usize, usize), bias: usize, input: &[usize]) -> Result<Vec<usize>, ShapeFault> {
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

fn conv_shape(
    (out, channels, height, width): (usize, usize, usize, usize),
    bias: usize,
    strides: [usize; 2],
    [top, left, bottom, right]: [usize; 4],
    input: &[usize],
) -> Result<Vec<usize>, ShapeFault> {
    let &[c, h, w] = input else {
        return fault("an image of shape [channels, height, width]", format!("{input:?}"));
    };
    if c != channels {
        return fault(format!("an image with {channels} channels, as the kernels have"), format!("{c} channels"));
    }
    if bias != out {
        return fault(format!("a bias of length {out}"), format!("length {bias}"));
    }
    let rows = window_count(h, [top, bottom], height, strides[0])?;
    let columns = window_count(w, [left, right], width, strides[1])?;
    Ok(vec![out, rows, columns])
}

fn pool_shape(kernel: [usize; 2], strides: [usize; 2], input: &[usize]) -> Result<Vec<usize>, ShapeFault> {
    let &[c, h, w] = input else {
        return fault("an image of shape [channels, height, width]", format!("{input:?}"));
    };
    let rows = window_count(h, [0, 0], kernel[0], strides[0])?;
    let columns = window_count(w, [0, 0], kernel[1], strides[1])?;
    Ok(vec![c, rows, columns])
}

/// How many windows fit on one axis when those that hang over are left out.
fn window_count(length: usize, pads: [usize; 2], kernel: usize, stride: usize) -> Result<usize, ShapeFault> {
    if kernel == 0 || stride == 0 {
        return fault("a window and a stride of at least 1", format!("window {kernel}, stride {stride}"));
    }
    let padded = length.checked_add(pads[0]).and_then(|sum| sum.checked_add(pads[1]));
    match padded {
        Some(padded) if padded >= kernel => Ok((padded - kernel) / stride + 1),
        _ => fault(
            format!("an axis that holds a window of {kernel}"),
            format!("length {length} with padding {} and {}", pads[0], pads[1]),
        ),
    }
}

fn scale_shift_shape(scale: usize, shift: usize, input: &[usize]) -> Result<Vec<usize>, ShapeFault> {
    match input.first() {
        Some(&channels) if channels == scale && channels == shift => Ok(input.to_vec()),
        Some(channels) => {
            fault(format!("{channels} factors and summands"), format!("{scale} factors and {shift} summands"))
        }
        None => fault("an input with at least one axis", "a scalar"),
    }
}

fn reshape_shape(input: &[usize], declared: &[usize]) -> Result<Vec<usize>, ShapeFault> {
    let count = element_count(input);
    if count.is_some() && count == element_count(declared) {
        return Ok(declared.to_vec());
    }
    fault(format!("a shape with as many elements as {input:?}"), format!("{declared:?}"))
}

fn transpose_shape(perm: &[usize], input: &[usize]) -> Result<Vec<usize>, ShapeFault> {
    let mut sorted = perm.to_vec();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..input.len()) {
        return fault(format!("a permutation of {} axes", input.len()), format!("{perm:?}"));
    }
    Ok(perm.iter().filter_map(|&axis| input.get(axis).copied()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array4};

    fn conv(kernel: [usize; 4], strides: [usize; 2], pads: [usize; 4]) -> Op {
        Op::Conv { weights: Array4::zeros(kernel), bias: Array1::zeros(kernel[0]), strides, pads }
    }

    #[test]
    fn a_convolution_counts_the_windows_that_fit() {
        let op = conv([3, 2, 3, 2], [2, 1], [1, 0, 2, 1]);
        assert_eq!(op.result_shape(&[&[2, 8, 6]], &[]).unwrap(), vec![3, 5, 6]);
    }

    #[test]
    fn a_kernel_larger_than_the_image_is_refused() {
        let op = conv([1, 1, 5, 1], [1, 1], [0; 4]);
        let fault = op.result_shape(&[&[1, 4, 4]], &[]).unwrap_err();
        assert!(fault.expected.contains("window of 5"), "{fault:?}");
    }

    #[test]
    fn padding_that_overflows_is_refused() {
        let op = conv([1, 1, 1, 1], [1, 1], [usize::MAX, 0, usize::MAX, 0]);
        assert!(op.result_shape(&[&[1, 4, 4]], &[]).is_err());
    }

    #[test]
    fn a_pool_leaves_out_windows_that_hang_over() {
        let op = Op::MaxPool { kernel: [2, 3], strides: [2, 2] };
        assert_eq!(op.result_shape(&[&[4, 5, 6]], &[]).unwrap(), vec![4, 2, 2]);
        assert!(Op::MaxPool { kernel: [2, 2], strides: [0, 1] }.result_shape(&[&[4, 5, 6]], &[]).is_err());
    }

    #[test]
    fn a_transpose_needs_a_permutation() {
        assert_eq!(Op::Transpose { perm: vec![1, 2, 0] }.result_shape(&[&[2, 3, 4]], &[]).unwrap(), vec![3, 4, 2]);
        for perm in [vec![0, 0, 1], vec![0, 1], vec![1, 2, 3]] {
            assert!(Op::Transpose { perm }.result_shape(&[&[2, 3, 4]], &[]).is_err());
        }
    }

    #[test]
    fn operands_are_counted() {
        assert!(Op::Add.result_shape(&[&[1]], &[]).is_err());
        assert!(Op::Relu.result_shape(&[&[1], &[1]], &[]).is_err());
        assert!(Op::Input.result_shape(&[&[1]], &[1]).is_err());
        assert!(Op::Add.result_shape(&[&[1], &[2]], &[]).is_err());
    }

    #[test]
    fn empty_axes_and_scalars_are_refused() {
        assert!(Op::Input.result_shape(&[], &[]).is_err());
        assert!(Op::Input.result_shape(&[], &[2, 0]).is_err());
        assert!(Op::Reshape.result_shape(&[&[1]], &[]).is_err());
    }
}
