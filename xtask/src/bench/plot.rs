//! Curves as SVG.

use super::outcome::Plot;
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use std::path::Path;

const SIZE: (u32, u32) = (640, 360);
/// Colours that people who see few colours can tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
];

/// Draws a plot into a file.
pub fn draw(plot: &Plot, path: &Path) -> Result<()> {
    chart(plot, path).map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn chart(plot: &Plot, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let points = || plot.curves.iter().flat_map(|(_, points)| points);
    let (least, most) = points().fold((f64::MAX, 0.0_f64), |(least, most), &(x, _)| (least.min(x), most.max(x)));
    let top = points().fold(0.0_f64, |top, &(_, y)| top.max(y)) * 1.1;
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(&plot.title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d((least..most).log_scale(), 0.0..top)?;
    chart.configure_mesh().x_desc(&plot.x).y_desc(&plot.y).light_line_style(WHITE).draw()?;
    for ((name, points), colour) in plot.curves.iter().zip(COLOURS.iter().cycle()) {
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3))?
            .label(name)
            .legend(|(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_curve_is_drawn_and_named() {
        let path = std::env::temp_dir().join(format!("sensor-plot-{}.svg", std::process::id()));
        let plot = Plot {
            name: "test".to_owned(),
            title: "A title".to_owned(),
            x: "processes".to_owned(),
            y: "MiB".to_owned(),
            curves: vec![
                ("flat".to_owned(), vec![(1.0, 5.0), (10.0, 5.0), (100.0, 5.0)]),
                ("steep".to_owned(), vec![(1.0, 1.0), (100.0, 9.0)]),
            ],
        };
        draw(&plot, &path).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        for text in ["A title", "processes", "MiB", "flat", "steep"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(svg.matches("<polyline").count() >= 2);
    }
}
