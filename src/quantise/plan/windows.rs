//! Pools: windows that overlap or are padded become moved elements and windows that tile the plane.

use super::{Fill, PlanId, PlanOp, Planner};
use crate::graph::NodeId;
use inferproof_circuits::network::Window;

/// The windows of a pool over `shape`, with strides that make a single window on an axis a tiling one: its stride is
/// never taken.
pub(super) fn window(window: &Window, shape: &[usize], result: &[usize]) -> Window {
    let Window { kernel, mut strides, pads, dilations } = *window;
    for axis in 0..2 {
        let leftover = shape[axis + 1] < 2 * kernel[axis];
        if result[axis + 1] == 1 && dilations[axis] == 1 && pads[axis] + pads[axis + 2] == 0 && leftover {
            strides[axis] = kernel[axis];
        }
    }
    Window { kernel, strides, pads, dilations }
}

impl Planner<'_> {
    /// The largest element of each window. Windows tile an axis, or their elements are laid side by side first.
    pub(super) fn max_pool(&mut self, id: NodeId, operand: PlanId, pool: &Window) -> PlanId {
        let shape = self.nodes[operand].shape.clone();
        let result = self.graph.nodes[id].shape.clone();
        let window = window(pool, &shape, &result);
        let overlaps = |axis: usize| {
            let Window { kernel, strides, pads, dilations } = window;
            strides[axis] != kernel[axis] || pads[axis] + pads[axis + 2] > 0 || dilations[axis] != 1
        };
        let [rows, columns] = [0, 1].map(overlaps);
        // One axis after the other moves fewer elements, unless the strides are as wide as the kernel.
        let [kh, kw] = window.kernel;
        let (together, apart) = (result[1] * kh * result[2] * kw, (shape[1] * kw + result[1] * kh) * result[2]);
        if !(rows && columns) || together <= apart {
            let mut input = operand;
            for axis in [0, 1].into_iter().filter(|axis| [rows, columns][*axis]) {
                input = self.side_by_side(id, input, &window, axis, result[axis + 1]);
            }
            return self.push(id, result, PlanOp::MaxPool { input, kernel: window.kernel });
        }
        let input = self.side_by_side(id, operand, &window, 1, result[2]);
        let half = vec![shape[0], shape[1], result[2]];
        let input = self.push(id, half, PlanOp::MaxPool { input, kernel: [1, kw] });
        let input = self.side_by_side(id, input, &window, 0, result[1]);
        self.push(id, result, PlanOp::MaxPool { input, kernel: [kh, 1] })
    }

    /// The elements of each window on an axis, one window after the other.
    fn side_by_side(&mut self, id: NodeId, input: PlanId, window: &Window, axis: usize, count: usize) -> PlanId {
        let mut shape = self.nodes[input].shape.clone();
        let length = shape[axis + 1];
        let tap = |window_index: usize, element: usize| {
            let at = window_index * window.strides[axis] + element * window.dilations[axis];
            at.checked_sub(window.pads[axis]).filter(|at| *at < length)
        };
        let elements = (0..count).flat_map(|w| (0..window.kernel[axis]).map(move |element| (w, element)));
        let indices: Vec<_> = elements.map(|(w, element)| tap(w, element)).collect();
        shape[axis + 1] = indices.len();
        self.push(id, shape, PlanOp::Take { input, axis: axis + 1, indices, fill: Fill::Least })
    }
}
