//! Broadcasting as in numpy: shapes are aligned on the right, and an axis of size 1 stands for any size.

use ndarray::{ArrayD, IxDyn};

use super::context::{Context, Stop};
use super::draft::Operand;

/// The shape that two shapes broadcast to, if they do.
pub(super) fn broadcast_shape(left: &[usize], right: &[usize]) -> Option<Vec<usize>> {
    let (longer, shorter) = if left.len() >= right.len() { (left, right) } else { (right, left) };
    let mut shape = longer.to_vec();
    let start = longer.len() - shorter.len();
    for (size, &other) in shape.iter_mut().skip(start).zip(shorter) {
        *size = match (*size, other) {
            (size, other) if size == other => size,
            (1, other) => other,
            (size, 1) => size,
            _ => return None,
        };
    }
    Some(shape)
}

/// The shape with axes of size 1 in front, so that it has `rank` of them; longer ones stay as they are.
pub(super) fn aligned(shape: &[usize], rank: usize) -> Vec<usize> {
    let mut aligned = vec![1; rank.saturating_sub(shape.len())];
    aligned.extend_from_slice(shape);
    aligned
}

/// The constants repeated to a shape that they broadcast to.
pub(super) fn expanded(values: &ArrayD<f32>, shape: &[usize]) -> Option<ArrayD<f32>> {
    values.broadcast(IxDyn(shape)).map(|view| view.as_standard_layout().into_owned())
}

impl Context<'_> {
    /// The shape that two operands broadcast to.
    pub fn broadcast(&self, left: &[usize], right: &[usize]) -> Result<Vec<usize>, Stop> {
        broadcast_shape(left, right).ok_or_else(|| {
            self.shape_error(
                format!("a second operand that broadcasts to {left:?}, or the first to it"),
                format!("{right:?}"),
            )
        })
    }

    /// A value repeated along the axes on which it has size 1.
    pub fn expand(&mut self, x: &Operand, shape: &[usize]) -> Result<Operand, Stop> {
        self.fits(shape)?;
        let mut x = self.reshape(x, aligned(&x.shape, shape.len()))?;
        for (axis, &size) in shape.iter().enumerate() {
            match x.shape.get(axis) {
                Some(&own) if own == size => {}
                Some(1) => x = self.take(&x, axis, size, |_| Some(0), 0.0)?,
                _ => {
                    return Err(
                        self.shape_error(format!("a value that broadcasts to {shape:?}"), format!("{:?}", x.shape))
                    );
                }
            }
        }
        Ok(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_aligned_on_the_right() {
        assert_eq!(broadcast_shape(&[2, 1, 4], &[3, 1]), Some(vec![2, 3, 4]));
        assert_eq!(broadcast_shape(&[], &[5]), Some(vec![5]));
        assert_eq!(broadcast_shape(&[0], &[1]), Some(vec![0]));
        assert_eq!(broadcast_shape(&[2, 3], &[2]), None);
        assert_eq!(aligned(&[3], 3), [1, 1, 3]);
    }
}
