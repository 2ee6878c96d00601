//! The plot of the comparisons.

use std::path::Path;

use plotters::prelude::*;

use crate::scenario::Found;

const WIDTH: u32 = 900;
const ROW: u32 = 64;
const TOP: u32 = 56;
const LEFT: i32 = 360;

/// Draws a bar for each ratio, with a line where it is wanted to be.
pub(crate) fn ratios(file: &Path, found: &[Found]) -> anyhow::Result<()> {
    let rows: Vec<(&Found, f64)> =
        found.iter().filter_map(|found| Some((found, found.ratio()?))).collect();
    let height = TOP + ROW * u32::try_from(rows.len())?;
    let area = SVGBackend::new(file, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let most = rows.iter().fold(1.0_f64, |most, (found, ratio)| {
        most.max(*ratio).max(found.target.unwrap_or_default())
    });
    let scale = f64::from(WIDTH as i32 - LEFT - 90) / most;
    let text = |size| ("sans-serif", size).into_font().color(&BLACK);
    area.draw_text("Part of the baseline's rate; the line is the target", &text(18), (12, 16))?;
    for (row, (found, ratio)) in (0_i32..).zip(&rows) {
        let top = TOP as i32 + row * ROW as i32;
        let against = found.baseline.as_ref().map_or("", |side| side.name);
        let name = found.ours.as_ref().map_or("", |side| side.name);
        area.draw_text(&format!("{}: {name}", found.id), &text(16), (12, top + 6))?;
        area.draw_text(&format!("against {against}"), &text(13), (12, top + 28))?;
        let end = LEFT + (ratio * scale) as i32;
        let colour = RGBColor(70, 116, 166);
        area.draw(&Rectangle::new([(LEFT, top + 6), (end, top + 38)], colour.filled()))?;
        area.draw_text(&format!("{ratio:.2}"), &text(16), (end + 8, top + 14))?;
        if let Some(target) = found.target {
            let at = LEFT + (target * scale) as i32;
            let line = ShapeStyle::from(&RED).stroke_width(2);
            area.draw(&PathElement::new([(at, top), (at, top + 44)], line))?;
        }
    }
    area.present()?;
    Ok(())
}
