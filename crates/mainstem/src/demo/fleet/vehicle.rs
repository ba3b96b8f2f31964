//! `Vehicle`: one electric vehicle, stepped through time.

use std::time::Duration;

use mainstem_kernel::Timestamp;

use super::super::random::Random;

/// Millimetres per second at 0.1 km/h, times 1,000.
const MM_PER_SECOND_E3: i64 = 27_778;
/// Millimetres of a ten-millionth of a degree of latitude, times 10.
const MM_PER_E7_TENTHS: i64 = 111;
const SPEED_TENTHS_MAX: i64 = 1_790;
/// Battery in millionths of a percent.
const FULL: i64 = 100_000_000;
/// It is charged below, and drives on above these.
const EMPTY_BELOW: i64 = 8_000_000;
const CHARGED_ABOVE: i64 = 85_000_000;
/// Millionths of a percent per metre: a quarter of a percent per km.
const USE_PER_METRE: i64 = 250;
/// Millionths of a percent per second at a fast charger.
const CHARGE_PER_SECOND: i64 = 40_000;
/// Slowing down by more than this within a step is harsh, in 0.1 km/h.
const HARSH_TENTHS: i64 = 45;
/// Where vehicles start, in ten-millionths of a degree: latitude and longitude of big cities.
const CITIES: [(i64, i64); 6] = [
    (525_200_000, 134_050_000),
    (488_566_000, 23_522_000),
    (515_074_000, -1_278_000),
    (599_139_000, 107_522_000),
    (454_642_000, 91_900_000),
    (404_168_000, -37_038_000),
];
/// Parts of 10 to the north and to the east, by direction.
const DIRECTIONS: [(i64, i64); 8] = [
    (10, 0),
    (7, 7),
    (0, 10),
    (-7, 7),
    (-10, 0),
    (-7, -7),
    (0, -10),
    (7, -7),
];

/// One vehicle.
#[derive(Clone, Debug)]
pub(super) struct Vehicle {
    pub(super) id: u32,
    home: (i64, i64),
    lat_e7: i64,
    lon_e7: i64,
    direction: usize,
    pub(super) speed_tenths: i64,
    cruise_tenths: i64,
    battery: i64,
    is_charging: bool,
    heat_tenths: i64,
    is_silent: bool,
    pub(super) odometer_mm: i64,
    trip: Trip,
    goal_mm: i64,
}

/// One trip.
#[derive(Clone, Debug, Default)]
pub(super) struct Trip {
    pub(super) number: i64,
    pub(super) started: Timestamp,
    pub(super) ended: Timestamp,
    pub(super) distance_mm: i64,
    pub(super) harsh_brakes: i64,
}

impl Vehicle {
    pub(super) fn new(id: u32, random: &mut Random) -> Self {
        let (lat, lon) = random.pick(&CITIES).unwrap_or_default();
        let home = (
            lat + random.between(-900_000, 900_000),
            lon + random.between(-900_000, 900_000),
        );
        let goal_mm = random.between(50_000, 30_000_000);
        Self {
            id,
            home,
            lat_e7: home.0,
            lon_e7: home.1,
            direction: usize::try_from(random.between(0, 8)).unwrap_or(0),
            speed_tenths: random.between(0, 900),
            cruise_tenths: random.between(300, 1_300),
            battery: random.between(EMPTY_BELOW, FULL),
            is_charging: false,
            heat_tenths: random.between(0, 120),
            is_silent: random.once_in(200),
            odometer_mm: random.between(1_000_000, 150_000_000_000),
            trip: Trip::default(),
            goal_mm,
        }
    }

    /// Lets `step_ms` pass; the trip if one has ended.
    pub(super) fn step(
        &mut self,
        step_ms: i64,
        now: Timestamp,
        random: &mut Random,
    ) -> Option<Trip> {
        if self.is_charging {
            self.charge(step_ms);
            return None;
        }
        if self.trip.distance_mm == 0 {
            self.trip.started = now.minus(millis(step_ms));
        }
        self.steer(random);
        let distance_mm = self.speed_tenths * step_ms * MM_PER_SECOND_E3 / 1_000_000;
        self.roll(distance_mm);
        let is_empty = self.battery < EMPTY_BELOW;
        if self.trip.distance_mm < self.goal_mm && !is_empty {
            return None;
        }
        self.is_charging = is_empty;
        self.speed_tenths = 0;
        self.goal_mm = random.between(2_000_000, 40_000_000);
        self.cruise_tenths = random.between(300, 1_500);
        let number = self.trip.number + 1;
        let next = Trip {
            number,
            ..Trip::default()
        };
        let ended = std::mem::replace(&mut self.trip, next);
        Some(Trip {
            ended: now,
            number,
            ..ended
        })
    }

    fn charge(&mut self, step_ms: i64) {
        self.battery = (self.battery + CHARGE_PER_SECOND * step_ms / 1_000).min(FULL);
        self.is_charging = self.battery < CHARGED_ABOVE;
    }

    /// A new speed near the cruising speed, now and then a bend or a hard brake.
    fn steer(&mut self, random: &mut Random) {
        let pull = (self.cruise_tenths - self.speed_tenths) / 20;
        let mut change = pull + random.between(-12, 13);
        if random.once_in(3_000) {
            change = -random.between(HARSH_TENTHS + 1, 400);
            self.trip.harsh_brakes += 1;
        }
        self.speed_tenths = (self.speed_tenths + change).clamp(0, SPEED_TENTHS_MAX);
        if random.once_in(120) {
            self.direction = self
                .way_home()
                .unwrap_or((self.direction + 1) % DIRECTIONS.len());
        }
        if random.once_in(20_000) {
            self.is_silent = !self.is_silent;
        }
    }

    /// A direction back, once the vehicle is about half a degree away.
    fn way_home(&self) -> Option<usize> {
        let (north, east) = (self.home.0 - self.lat_e7, self.home.1 - self.lon_e7);
        let is_far = north.abs().max(east.abs()) > 5_000_000;
        let wanted = (north.signum(), east.signum());
        let fits = |(n, e): &(i64, i64)| (n.signum(), e.signum()) == wanted;
        is_far.then(|| DIRECTIONS.iter().position(fits)).flatten()
    }

    fn roll(&mut self, distance_mm: i64) {
        let (north, east) = DIRECTIONS.get(self.direction).copied().unwrap_or_default();
        self.lat_e7 += distance_mm * north / MM_PER_E7_TENTHS;
        self.lon_e7 += distance_mm * east / MM_PER_E7_TENTHS * 3 / 2;
        self.odometer_mm += distance_mm;
        self.trip.distance_mm += distance_mm;
        self.battery = (self.battery - distance_mm * USE_PER_METRE / 1_000).max(0);
        // The battery warms towards a heat that grows with speed.
        self.heat_tenths += (self.speed_tenths / 4 - self.heat_tenths).signum();
    }

    pub(super) fn lat_e5(&self) -> i64 {
        self.lat_e7 / 100
    }

    pub(super) fn lon_e5(&self) -> i64 {
        self.lon_e7 / 100
    }

    pub(super) fn battery_tenths(&self) -> i64 {
        self.battery / (FULL / 1_000)
    }

    /// Of the battery; `None` while its sensor is silent.
    pub(super) fn celsius_tenths(&self) -> Option<i64> {
        (!self.is_silent).then_some(180 + self.heat_tenths)
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
