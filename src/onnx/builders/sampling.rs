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
    TfCropAndResize,
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

/// A crop of everything.
pub(super) const WHOLE: [f64; 2] = [0.0, 1.0];

/// One axis of a resize.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    /// Elements of the input.
    pub input: usize,
    /// Elements of the result.
    pub output: usize,
    /// The length that was asked for, before it was rounded to `output`.
    pub length: f64,
    /// Where a crop starts and ends: 0 is the first element, 1 the last.
    pub crop: [f64; 2],
}

impl Axis {
    /// Whether nothing happens to the axis.
    pub fn is_unchanged(&self) -> bool {
        self.input == self.output && self.length == self.input as f64 && self.crop == WHOLE
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
            Coordinates::TfCropAndResize => {
                let ([start, end], last) = (self.crop, input - 1.0);
                let part = if length == 1.0 { 0.5 } else { x / (length - 1.0) };
                part * (end - start) * last + start * last
            }
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

    /// The weights of the input's elements, `[output, input]`. Elements outside the input are those at its edge. Of an
    /// index of the result that stands outside of a crop, all weights are 0.
    pub fn weights(&self, coordinates: Coordinates, filter: Filter) -> Array2<f32> {
        let mut weights = Array2::zeros((self.output, self.input));
        let inside = 0.0..self.input as f64;
        // The filter of a reduction is as much longer, so that every element has its weight.
        let stretch = if filter.antialiases { (self.length / self.input as f64).min(1.0) } else { 1.0 };
        let reach = filter.reach() / stretch;
        for (index, mut row) in weights.outer_iter_mut().enumerate() {
            let x = self.coordinate(index, coordinates);
            if self.is_outside(x, coordinates) {
                continue;
            }
            let (first, last) = ((x - reach).floor() as i64, (x + reach).ceil() as i64);
            let taps = (first..=last).map(|place| (place as f64, filter.at((place as f64 - x) * stretch)));
            let taps: Vec<(f64, f64)> =
                taps.filter(|(place, _)| !filter.excludes_outside || inside.contains(place)).collect();
            let is_whole = stretch == 1.0 && !filter.excludes_outside;
            let sum: f64 = if is_whole { 1.0 } else { taps.iter().map(|(_, weight)| weight).sum() };
            for (place, weight) in taps {
                if let Some(entry) = row.get_mut(self.clamped(place)) {
                    *entry += (weight / sum) as f32;
                }
            }
        }
        weights
    }

    /// The indices of the result that stand outside of the input, where it is cropped.
    pub fn outside(&self, coordinates: Coordinates) -> Vec<bool> {
        (0..self.output).map(|index| self.is_outside(self.coordinate(index, coordinates), coordinates)).collect()
    }

    fn is_outside(&self, x: f64, coordinates: Coordinates) -> bool {
        coordinates == Coordinates::TfCropAndResize && !(0.0..=self.input as f64 - 1.0).contains(&x)
    }
}

/// How much an element counts at a distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Filter {
    /// The parameter of a cubic interpolation; `None` for a linear one.
    pub a: Option<f64>,
    /// Whether the filter is stretched where the axis is reduced.
    pub antialiases: bool,
    /// Whether elements outside of the input are left out.
    pub excludes_outside: bool,
}

impl Filter {
    /// The distance from which on nothing counts.
    fn reach(self) -> f64 {
        if self.a.is_some() { 2.0 } else { 1.0 }
    }

    /// A line, or the cubic convolution of Keys.
    fn at(self, distance: f64) -> f64 {
        let d = distance.abs();
        match self.a {
            _ if d >= self.reach() => 0.0,
            None => 1.0 - d,
            Some(a) if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
            Some(a) => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINEAR: Filter = Filter { a: None, antialiases: false, excludes_outside: false };

    #[test]
    fn nearest_elements_are_those_of_the_standard() {
        let axis = Axis { input: 4, output: 2, length: 2.4, crop: WHOLE };
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
        let axis = Axis { input: 3, output: 7, length: 7.0, crop: WHOLE };
        for coordinates in [Coordinates::HalfPixel, Coordinates::AlignCorners, Coordinates::Asymmetric] {
            for (a, excludes_outside) in [(None, false), (Some(-0.75), false), (Some(-0.5), true)] {
                for antialiases in [false, true] {
                    let filter = Filter { a, antialiases, excludes_outside };
                    for axis in [axis, Axis { input: 7, output: 3, length: 3.0, crop: WHOLE }] {
                        for row in axis.weights(coordinates, filter).outer_iter() {
                            assert!((row.sum() - 1.0).abs() < 1e-6, "{row}");
                        }
                    }
                }
            }
        }
        let weights = Axis { input: 2, output: 4, length: 4.0, crop: WHOLE }.weights(Coordinates::HalfPixel, LINEAR);
        assert_eq!(weights.column(1).to_vec(), [0.0, 0.25, 0.75, 1.0]);
    }

    #[test]
    fn a_reduction_without_aliases_counts_every_element() {
        // From 4 to 2 the triangle is twice as long: the elements are 0.5 and 1.5 away, and 2.5 is beyond its end.
        let filter = Filter { antialiases: true, ..LINEAR };
        let axis = Axis { input: 4, output: 2, length: 2.0, crop: WHOLE };
        let expected = ndarray::array![[0.375 + 0.125, 0.375, 0.125, 0.0], [0.0, 0.125, 0.375, 0.375 + 0.125]];
        assert_eq!(axis.weights(Coordinates::HalfPixel, filter), expected);
        let excluding = Filter { excludes_outside: true, ..filter };
        let row = axis.weights(Coordinates::HalfPixel, excluding).row(0).to_vec();
        assert_eq!(row, [3.0 / 7.0, 3.0 / 7.0, 1.0 / 7.0, 0.0].map(|weight: f64| weight as f32));
        // An enlargement has no aliases.
        let axis = Axis { input: 2, output: 4, length: 4.0, crop: WHOLE };
        assert_eq!(axis.weights(Coordinates::HalfPixel, filter), axis.weights(Coordinates::HalfPixel, LINEAR));
    }

    #[test]
    fn a_crop_may_reach_beyond_the_input() {
        // From 0.5 of 4 steps to 1.5 of them: the coordinates 2, 4 and 6.
        let axis = Axis { input: 5, output: 3, length: 3.0, crop: [0.5, 1.5] };
        assert_eq!(axis.outside(Coordinates::TfCropAndResize), [false, false, true]);
        let weights = axis.weights(Coordinates::TfCropAndResize, LINEAR);
        assert_eq!(weights.row(0).to_vec(), [0.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!((weights[[1, 4]], weights.row(2).sum()), (1.0, 0.0));
        // A single element is the middle of the crop.
        let axis = Axis { input: 5, output: 1, length: 1.0, crop: [0.25, 0.75] };
        assert_eq!(axis.nearest(0, Coordinates::TfCropAndResize, Nearest::Floor), 2);
        assert!(!axis.is_unchanged() && !Axis { input: 1, ..axis }.is_unchanged());
    }
}
