//! Whether calls take longer where an organization has more numbers.

use std::io;
use std::time::Duration;

use crate::engine::Engine;
use crate::routes::{event_of, page_of};
use crate::samples::count;
use crate::say;
use crate::subject::{Kind, Subject, product};
use bench::quantile;

/// One route where the organization has so many numbers.
pub(crate) struct Point {
    pub(crate) numbers: u32,
    pub(crate) p50: Duration,
    pub(crate) units: f64,
}

/// A route's name and its points, from few numbers to many.
pub(crate) type Curve = (&'static str, Vec<Point>);

const PAGE: &str = "a page of 10 numbers";
const ONE: &str = "GET a number";

/// Plants numbers up to each of `sizes`, and asks for a page and for one number at each.
pub(crate) async fn measure(engine: &Engine, folder: &str, sizes: &[u32], calls: usize) -> io::Result<Vec<Curve>> {
    let (mut page, mut one) = ((PAGE, Vec::new()), (ONE, Vec::new()));
    let mut planted = 0;
    for &numbers in sizes {
        say(&format!("growth: {numbers} numbers"))?;
        engine.plant_more(planted..numbers).await?;
        planted = numbers;
        for (curve, event) in [(&mut page, "numbers-list"), (&mut one, "numbers-get")] {
            let mut event = event_of(event, &engine.second.key, &engine.copy_id(numbers / 2))?;
            if event["pathParameters"].is_null() {
                page_of(&mut event, 10);
            }
            let of = (curve.0, Kind::Product);
            let mut subject = Subject::start(curve.0.to_owned(), of, product(engine, folder, "numbers"), event).await?;
            curve.1.push(point(engine, &mut subject, numbers, calls).await?);
        }
    }
    Ok(vec![page, one])
}

async fn point(engine: &Engine, subject: &mut Subject, numbers: u32, calls: usize) -> io::Result<Point> {
    let warm = calls / 5 + 1;
    let mut taken = Vec::with_capacity(calls);
    for call in 0..warm + calls {
        let took = subject.ask().await?;
        if call >= warm {
            taken.push(took);
        }
    }
    let (_, units) = count(engine, subject).await?;
    Ok(Point { numbers, p50: quantile(&mut taken, 50), units })
}
