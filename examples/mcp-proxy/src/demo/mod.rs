//! The demonstration: everything on loopback, told step by step, over real HTTP and real MCP.

mod client;
mod story;
mod world;

use std::process::ExitCode;

use anyhow::Result;

use crate::commands::{ended, hung_up};
use story::Story;
use world::World;

pub(crate) async fn run(once: bool) -> Result<ExitCode> {
    let world = World::start().await?;
    let mut story = Story::new(&world);
    let all_well = story.tell().await;
    if !all_well {
        println!("\nNot every step was as it should be.");
        return Ok(ExitCode::FAILURE);
    }
    println!("\nEvery step was as it should be.");
    if !once {
        world.invite();
        tokio::select! {
            () = ended() => {}
            () = hung_up() => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}
