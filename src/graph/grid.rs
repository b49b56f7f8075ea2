//! Values that are known to be integers times a step, and why: where they come from.

use super::Op;

/// Largest integer that survives the way to a float multiple of a step and back: the product and the quotient are each
/// off by half a unit in the last place at most.
const MAX_INTEGER: i64 = 1 << 22;

/// All elements of a value are `step` times an integer from `lo` to `hi`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grid {
    /// The step, positive.
    pub step: f32,
    /// Least integer.
    pub lo: i32,
    /// Greatest integer.
    pub hi: i32,
}

impl Grid {
    /// The grid of the result of an operation whose operands lie on the given grids; `None` if it is not known to lie
    /// on one. Zero padding lies on any.
    pub fn of(op: &Op, operands: &[Option<Self>]) -> Option<Self> {
        let first = operands.first().copied().flatten();
        match op {
            &Op::Quantise { step, lo, hi } => Self::new(step, lo.into(), hi.into()),
            &Op::Restep { from, shift, to } => {
                let grid = first.filter(|grid| grid.step == from)?;
                Self::new(to, i64::from(grid.lo) + i64::from(shift), i64::from(grid.hi) + i64::from(shift))
            }
            Op::Reshape | Op::Transpose { .. } | Op::MaxPool(_) => first,
            Op::Take { indices, fill, .. } => match (first?, indices.contains(&None)) {
                (grid, false) => Some(grid),
                (grid, true) => (*fill == 0.0).then(|| Self { lo: grid.lo.min(0), hi: grid.hi.max(0), ..grid }),
            },
            Op::Concat { .. } => operands.iter().skip(1).try_fold(first?, |joined, operand| {
                let grid = operand.filter(|grid| grid.step == joined.step)?;
                Some(Self { lo: joined.lo.min(grid.lo), hi: joined.hi.max(grid.hi), ..joined })
            }),
            _ => None,
        }
    }

    fn new(step: f32, lo: i64, hi: i64) -> Option<Self> {
        let is_exact = (-MAX_INTEGER..=MAX_INTEGER).contains(&lo) && (-MAX_INTEGER..=MAX_INTEGER).contains(&hi);
        // What underflows is no multiple any more.
        let is_normal = step.is_normal();
        (is_exact && is_normal).then_some(Self { step, lo: lo as i32, hi: hi as i32 })
    }

    /// Whether rounding to multiples of `step` from `lo` to `hi` leaves all of these values as they are.
    pub fn is_kept_by(&self, step: f32, lo: i32, hi: i32) -> bool {
        self.step == step && lo <= self.lo && self.hi <= hi
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Window;

    const GRID: Grid = Grid { step: 0.5, lo: 2, hi: 9 };

    #[test]
    fn moves_keep_the_grid_and_padding_adds_zero() {
        let take = |indices: &[Option<usize>], fill| Op::Take { axis: 0, indices: indices.to_vec(), fill };
        for op in [Op::Reshape, Op::Transpose { perm: vec![0] }, Op::MaxPool(Window::tiles([1, 1]))] {
            assert_eq!(Grid::of(&op, &[Some(GRID)]), Some(GRID));
            assert_eq!(Grid::of(&op, &[None]), None);
        }
        assert_eq!(Grid::of(&take(&[Some(0)], 7.3), &[Some(GRID)]), Some(GRID));
        assert_eq!(Grid::of(&take(&[None], 0.0), &[Some(GRID)]), Some(Grid { lo: 0, ..GRID }));
        assert_eq!(Grid::of(&take(&[None], 0.5), &[Some(GRID)]), None);
        assert_eq!(Grid::of(&Op::Relu, &[Some(GRID)]), None);
    }

    #[test]
    fn operands_of_one_step_are_joined() {
        let join = |second| Grid::of(&Op::Concat { axis: 0 }, &[Some(GRID), second]);
        assert_eq!(join(Some(Grid { lo: -3, hi: 4, ..GRID })), Some(Grid { lo: -3, ..GRID }));
        assert_eq!(join(Some(Grid { step: 0.25, ..GRID })), None);
        assert_eq!(join(None), None);
    }

    #[test]
    fn integers_that_a_float_cannot_give_back_have_no_grid() {
        assert_eq!(Grid::of(&Op::Quantise { step: 0.5, lo: 2, hi: 9 }, &[None]), Some(GRID));
        assert_eq!(Grid::of(&Op::Quantise { step: 1.0, lo: 0, hi: i32::MAX }, &[None]), None);
        let restep = |from, shift| Op::Restep { from, shift, to: 2.0 };
        assert_eq!(Grid::of(&restep(0.5, -3), &[Some(GRID)]), Some(Grid { step: 2.0, lo: -1, hi: 6 }));
        assert_eq!(Grid::of(&restep(0.25, 0), &[Some(GRID)]), None);
        assert_eq!(Grid::of(&restep(0.5, i32::MAX), &[Some(GRID)]), None);
    }
}
