//! Where the elements of a resized axis come from, by the formulas of ONNX's `Resize`.

use ndarray::Array2;

/// How an index of the result becomes a coordinate of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    TfHalfPixelForNn,
}

/// Which of two neighbours is nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nearest {
    RoundPreferFloor,
    RoundPreferCeil,
    Floor,
    Ceil,
}

/// What stands between the elements of the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Interpolation {
    /// One of them.
    Nearest(Nearest),
    /// A line.
    Linear,
    /// Cubic splines.
    Cubic {
        /// Their parameter `a`.
        a: f64,
    },
}

/// One axis of a resize.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    /// Elements of the input.
    pub input: usize,
    /// Elements of the result.
    pub output: usize,
    /// The length that was asked for, before it was rounded to `output`.
    pub length: f64,
}

impl Axis {
    /// Whether nothing happens to the axis.
    pub fn is_unchanged(&self) -> bool {
        self.input == self.output && self.length == self.input as f64
    }

    /// The coordinate in the input of an index of the result.
    fn coordinate(&self, index: usize, coordinates: Coordinates) -> f64 {
        let (x, input, length) = (index as f64, self.input as f64, self.length);
        // One rounding: a coordinate that is a whole number comes out as one.
        let shrunk = |x: f64| x * input / length;
        match coordinates {
            Coordinates::HalfPixel => shrunk(x + 0.5) - 0.5,
            Coordinates::HalfPixelSymmetric => {
                let margin = input / 2.0 * (1.0 - self.output as f64 / length);
                margin + shrunk(x + 0.5) - 0.5
            }
            Coordinates::PytorchHalfPixel if self.output == 1 => 0.0,
            Coordinates::PytorchHalfPixel => shrunk(x + 0.5) - 0.5,
            // The corners that are aligned are those of the length before it is rounded.
            Coordinates::AlignCorners if length == 1.0 => 0.0,
            Coordinates::AlignCorners => x * (input - 1.0) / (length - 1.0),
            Coordinates::Asymmetric => shrunk(x),
            Coordinates::TfHalfPixelForNn => shrunk(x + 0.5),
        }
    }

    /// The element of the input nearest to an index of the result.
    pub fn nearest(&self, index: usize, coordinates: Coordinates, nearest: Nearest) -> usize {
        let x = self.coordinate(index, coordinates);
        self.clamped(match nearest {
            Nearest::RoundPreferFloor => (x - 0.5).ceil(),
            Nearest::RoundPreferCeil => (x + 0.5).floor(),
            Nearest::Floor => x.floor(),
            Nearest::Ceil => x.ceil(),
        })
    }

    fn clamped(&self, place: f64) -> usize {
        place.clamp(0.0, self.input.saturating_sub(1) as f64) as usize
    }

    /// The weights of the input's elements, `[output, input]`. `a` makes the interpolation cubic. Elements outside the
    /// input are those at its edge, or left out if `excludes_outside`.
    pub fn weights(&self, coordinates: Coordinates, a: Option<f64>, excludes_outside: bool) -> Array2<f32> {
        let mut weights = Array2::zeros((self.output, self.input));
        let inside = 0.0..self.input as f64;
        for (index, mut row) in weights.outer_iter_mut().enumerate() {
            let x = self.coordinate(index, coordinates);
            let ratio = x - x.floor();
            let taps = match a {
                None => [(0.0, 1.0 - ratio), (1.0, ratio), (0.0, 0.0), (0.0, 0.0)],
                Some(a) => cubic(ratio, a),
            };
            let places = taps.map(|(offset, weight)| (x.floor() + offset, weight));
            let kept = places.iter().filter(|(place, _)| !excludes_outside || inside.contains(place));
            let sum: f64 = if excludes_outside { kept.clone().map(|(_, weight)| weight).sum() } else { 1.0 };
            for (place, weight) in kept {
                if let Some(entry) = row.get_mut(self.clamped(*place)) {
                    *entry += (weight / sum) as f32;
                }
            }
        }
        weights
    }
}

/// The cubic convolution of Keys: offsets and weights of the four elements around a coordinate, which is `ratio` behind
/// the second one.
fn cubic(ratio: f64, a: f64) -> [(f64, f64); 4] {
    let near = |d: f64| ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
    let far = |d: f64| ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
    [(-1.0, far(ratio + 1.0)), (0.0, near(ratio)), (1.0, near(1.0 - ratio)), (2.0, far(2.0 - ratio))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_elements_are_those_of_the_standard() {
        let axis = Axis { input: 4, output: 2, length: 2.4 };
        let all = |coordinates, nearest| -> Vec<usize> {
            (0..axis.output).map(|index| axis.nearest(index, coordinates, nearest)).collect()
        };
        assert_eq!(all(Coordinates::HalfPixel, Nearest::RoundPreferFloor), [0, 2]);
        assert_eq!(all(Coordinates::Asymmetric, Nearest::Ceil), [0, 2]);
        assert_eq!(all(Coordinates::Asymmetric, Nearest::Floor), [0, 1]);
        assert_eq!(all(Coordinates::AlignCorners, Nearest::RoundPreferCeil), [0, 2]);
    }

    #[test]
    fn weights_of_every_row_sum_to_one() {
        let axis = Axis { input: 3, output: 7, length: 7.0 };
        for coordinates in [Coordinates::HalfPixel, Coordinates::AlignCorners, Coordinates::Asymmetric] {
            for (a, excludes_outside) in [(None, false), (Some(-0.75), false), (Some(-0.5), true)] {
                for row in axis.weights(coordinates, a, excludes_outside).outer_iter() {
                    assert!((row.sum() - 1.0).abs() < 1e-6, "{row}");
                }
            }
        }
        let weights = Axis { input: 2, output: 4, length: 4.0 }.weights(Coordinates::HalfPixel, None, false);
        assert_eq!(weights.column(1).to_vec(), [0.0, 0.25, 0.75, 1.0]);
    }
}
