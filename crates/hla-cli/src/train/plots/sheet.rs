//! What figures are drawn on: a sheet whose unit is a point, so that one drawing gives a small SVG
//! and a sharp PNG.

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    FontStyle, FontTransform, IntoFont, IntoTextStyle, RGBColor, ShapeStyle, register_font,
};

/// Why a figure could not be drawn.
pub type Error = Box<dyn std::error::Error>;

/// The family that figures are written in: SVG viewers take a font of their own under this name,
/// PNG files are drawn with the font that comes with hlac.
const FAMILY: &str = "sans-serif";
static FONT: &[u8] = include_bytes!("../../../fonts/DejaVuSans-subset.ttf");

/// Pixels of a PNG file for one point.
const RESOLUTION: u32 = 2;
/// Each pixel of a PNG file is the mean of this many by this many drawn ones: smooth lines.
const SMOOTHING: u32 = 2;

/// Where a text stands relative to its point: horizontally, then vertically.
pub type Anchor = (HPos, VPos);

/// Draws in points, from the upper left corner.
pub trait Sheet {
    /// A line through points.
    fn line(&mut self, points: &[(f64, f64)], color: RGBColor, width: f64) -> Result<(), Error>;
    /// A filled area.
    fn area(&mut self, points: &[(f64, f64)], color: RGBColor) -> Result<(), Error>;
    /// A filled rectangle between two corners.
    fn rectangle(&mut self, a: (f64, f64), b: (f64, f64), color: RGBColor) -> Result<(), Error>;
    /// A line of text.
    fn text(&mut self, text: &str, at: (f64, f64), style: Lettering) -> Result<(), Error>;
}

/// How text looks.
#[derive(Clone, Copy)]
pub struct Lettering {
    /// Height in points.
    pub size: f64,
    /// Its colour.
    pub color: RGBColor,
    /// Where it stands relative to its point.
    pub anchor: Anchor,
    /// Whether it runs upwards.
    pub upwards: bool,
}

impl Lettering {
    /// Text of some size, centred at its point.
    pub fn new(size: f64, color: RGBColor) -> Lettering {
        Lettering {
            size,
            color,
            anchor: (HPos::Center, VPos::Center),
            upwards: false,
        }
    }

    /// With its point at another place.
    pub fn anchored(self, horizontal: HPos, vertical: VPos) -> Lettering {
        Lettering {
            anchor: (horizontal, vertical),
            ..self
        }
    }

    /// Running upwards.
    pub fn upwards(self) -> Lettering {
        Lettering {
            upwards: true,
            ..self
        }
    }
}

/// The width of a text in points, about.
pub fn width(text: &str, size: f64) -> f64 {
    (FAMILY, size)
        .into_font()
        .box_size(text)
        .map_or(0.55 * size * text.chars().count() as f64, |(w, _)| {
            f64::from(w)
        })
}

/// A sheet over one of plotters' areas.
struct Canvas<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    scale: f64,
}

impl<DB: DrawingBackend> Canvas<'_, DB> {
    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        (
            (x * self.scale).round() as i32,
            (y * self.scale).round() as i32,
        )
    }
}

impl<DB: DrawingBackend> Sheet for Canvas<'_, DB>
where
    DB::ErrorType: 'static,
{
    fn line(&mut self, points: &[(f64, f64)], color: RGBColor, width: f64) -> Result<(), Error> {
        let points: Vec<(i32, i32)> = points.iter().map(|&p| self.at(p)).collect();
        let style = ShapeStyle {
            color: color.into(),
            filled: false,
            stroke_width: (width * self.scale).round().max(1.0) as u32,
        };
        Ok(self.area.draw(&PathElement::new(points, style))?)
    }

    fn area(&mut self, points: &[(f64, f64)], color: RGBColor) -> Result<(), Error> {
        let points: Vec<(i32, i32)> = points.iter().map(|&p| self.at(p)).collect();
        Ok(self.area.draw(&Polygon::new(points, color))?)
    }

    fn rectangle(&mut self, a: (f64, f64), b: (f64, f64), color: RGBColor) -> Result<(), Error> {
        let style = ShapeStyle {
            color: color.into(),
            filled: true,
            stroke_width: 0,
        };
        let corners = [self.at(a), self.at(b)];
        Ok(self.area.draw(&Rectangle::new(corners, style))?)
    }

    fn text(&mut self, text: &str, (x, mut y): (f64, f64), style: Lettering) -> Result<(), Error> {
        if matches!(style.anchor.1, VPos::Center) && !style.upwards {
            // Backends centre small letters; digits and capitals are taller.
            y += 0.12 * style.size;
        }
        let font = (FAMILY, style.size * self.scale).into_font();
        let font = match style.upwards {
            true => font.transform(FontTransform::Rotate270),
            false => font,
        };
        let style = font
            .color(&style.color)
            .pos(Pos::new(style.anchor.0, style.anchor.1))
            .into_text_style(self.area);
        Ok(self
            .area
            .draw(&Text::new(text.to_owned(), self.at((x, y)), style))?)
    }
}

/// What draws a figure.
pub type Draw<'a> = &'a dyn Fn(&mut dyn Sheet) -> Result<(), Error>;

/// A figure as SVG.
pub fn svg((width, height): (u32, u32), draw: Draw<'_>) -> Result<Vec<u8>, Error> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
        paint(&area, 1.0, draw)?;
    }
    Ok(text.into_bytes())
}

/// A figure as PNG.
pub fn png((width, height): (u32, u32), draw: Draw<'_>) -> Result<Vec<u8>, Error> {
    let scale = RESOLUTION * SMOOTHING;
    let drawn = (width * scale, height * scale);
    let mut pixels = vec![0; drawn.0 as usize * drawn.1 as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, drawn).into_drawing_area();
        paint(&area, f64::from(scale), draw)?;
    }
    let (width, height) = (width * RESOLUTION, height * RESOLUTION);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&smooth(&pixels, width as usize, height as usize))?;
    writer.finish()?;
    Ok(bytes)
}

fn paint<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    scale: f64,
    draw: Draw<'_>,
) -> Result<(), Error>
where
    DB::ErrorType: 'static,
{
    register_font(FAMILY, FontStyle::Normal, FONT).map_err(|_| "the font cannot be read")?;
    area.fill(&super::axes::PAPER)?;
    draw(&mut Canvas { area, scale })?;
    Ok(area.present()?)
}

/// The mean of each square of drawn pixels.
fn smooth(drawn: &[u8], width: usize, height: usize) -> Vec<u8> {
    let side = SMOOTHING as usize;
    let mut out = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let mut sum = 0;
                for dy in 0..side {
                    let row = (y * side + dy) * width * side;
                    for dx in 0..side {
                        let pixel = row + x * side + dx;
                        sum += usize::from(drawn[pixel * 3 + channel]);
                    }
                }
                out.push((sum / (side * side)) as u8);
            }
        }
    }
    out
}
