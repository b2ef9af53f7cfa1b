mod outages;
mod pace;
mod places;
mod world;
