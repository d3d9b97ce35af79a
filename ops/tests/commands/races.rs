//! Operators meet customers, and each other, in every weather.

use std::sync::Arc;

use domain::api_key::{ApiKey, Grant, Scope};
use domain::audit::Actor;
use domain::credits::LedgerEntry;
use domain::organization::Organization;
use domain::{AgentId, ApiKeyId, BookingReference, Clock, MicroUsd};
use local::seed::World;
use serde_json::json;
use table::{Booked, EventPage};
use tests::dynamo::Weather;

use crate::desk::Desk;

const WEATHERS: [Weather; 3] = [Weather::Fair, Weather::Contended, Weather::Forgetful];

#[tokio::test]
async fn many_operators_book_one_reference_once() {
    for weather in WEATHERS {
        let desk = Arc::new(Desk::with(World::default()).await);
        desk.app.dynamo.set(weather);
        let grants: Vec<_> = (0..12)
            .map(|_| {
                let desk = desk.clone();
                tokio::spawn(async move {
                    let reference = BookingReference::parse("INV-1").unwrap();
                    let entry = LedgerEntry::grant("INV-1", MicroUsd::from_micros(5_000_000));
                    desk.app.bundle.table.book_once(&desk.app.organization, &reference, &entry, "grace").await
                })
            })
            .collect();
        let mut booked = 0;
        for grant in grants {
            booked += usize::from(matches!(grant.await.unwrap(), Ok(Booked::Now)));
        }
        desk.app.dynamo.set(Weather::Fair);
        assert_eq!(desk.app.balance().await, 5_000_000, "{weather:?}");
        assert!(booked <= 1, "{weather:?}");
        desk.app.check_books().await;
    }
}

#[tokio::test]
async fn an_agent_that_is_removed_while_numbers_are_linked_to_it_is_named_by_none() {
    for weather in WEATHERS {
        for round in 0..6_u8 {
            let desk = Desk::approved().await;
            let row = desk.app.import("+12125550142").send().await.ok();
            let path = format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap());
            desk.app.dynamo.set(weather);
            let link = async {
                for _ in 0..round {
                    tokio::task::yield_now().await;
                }
                desk.app.patch(&path, &json!({ "agentId": "agent_1" })).send().await
            };
            let agent = AgentId::parse("agent_1").unwrap();
            let actor = Actor::Operator("grace".into());
            let table = &desk.app.bundle.table;
            let now = desk.app.clock.now();
            let remove = table.remove_agent(&desk.app.organization, &agent, &actor, now);
            let (_, removed) = tokio::join!(link, Box::pin(remove));
            desk.app.dynamo.set(Weather::Fair);
            if removed.is_err() {
                // In bad weather it may have happened all the same; a person looks again.
                let _ = Box::pin(table.remove_agent(&desk.app.organization, &agent, &actor, now)).await;
            }
            let row = desk.app.get(&path).send().await.ok();
            assert_eq!(row["agentId"], json!(null), "{weather:?}");
            let agents = table.agents(&desk.app.organization).await.unwrap();
            assert!(agents.iter().all(|(known, number)| *known != agent && number.is_none()), "{weather:?} {agents:?}");
            let links = desk.stored().await.iter().filter(|item| item.contains("AGENTLINK#")).count();
            assert_eq!(links, 0, "{weather:?}");
        }
    }
}

#[tokio::test]
async fn a_key_is_revoked_once_and_leaves_one_event_whoever_else_revokes_it() {
    for weather in WEATHERS {
        let desk = Arc::new(Desk::with(World::default()).await);
        let table = desk.app.bundle.table.clone();
        let (key, actor) = (ApiKey::new(rand::random()), Actor::Operator("grace".into()));
        let now = desk.app.clock.now();
        let grant = Grant {
            id: ApiKeyId::new(now, rand::random()),
            organization: desk.app.organization.clone(),
            name: None,
            scopes: Scope::ALL.to_vec(),
            created_at: now,
            expires_at: None,
            revoked_at: None,
        };
        desk.app.dynamo.set(weather);
        table.create_api_key(&key.hash(), &grant, &actor).await.unwrap();
        let revoked = (0..8).map(|_| {
            let (table, actor, desk, hash) = (table.clone(), actor.clone(), desk.clone(), key.hash());
            tokio::spawn(async move { table.revoke_api_key(&hash, desk.app.clock.now(), &actor).await })
        });
        let mut times = Vec::new();
        for revoked in revoked.collect::<Vec<_>>() {
            times.extend(revoked.await.unwrap());
        }
        desk.app.dynamo.set(Weather::Fair);
        let stands = table.api_key(&key.hash()).await.unwrap().unwrap().revoked_at.unwrap();
        assert!(!times.is_empty() && times.iter().all(|time| *time == stands), "{weather:?}");
        let page = EventPage { after: None, limit: 10 };
        let events = table.events(&desk.app.organization, grant.id.as_str(), &page).await.unwrap();
        let actions: Vec<_> = events.iter().map(|event| event.action.as_str()).collect();
        assert_eq!(actions, ["revoked", "issued"], "{weather:?}");
    }
}

#[tokio::test]
async fn of_many_who_create_an_organization_one_does() {
    for weather in WEATHERS {
        let desk = Arc::new(Desk::with(World::default()).await);
        desk.app.dynamo.set(weather);
        let creations = (0..8).map(|_| {
            let desk = desk.clone();
            tokio::spawn(async move {
                let new = Organization {
                    id: domain::OrganizationId::parse("org_contended").unwrap(),
                    name: "Contended".into(),
                    buying_enabled: true,
                    purchase_policy: None,
                    hold: None,
                    verification: None,
                    created_at: desk.app.clock.now(),
                    cursor_key: rand::random(),
                };
                let created = desk.app.bundle.table.create_organization(&new).await;
                (created, new.cursor_key)
            })
        });
        let mut winners = Vec::new();
        for creation in creations.collect::<Vec<_>>() {
            let (created, key) = creation.await.unwrap();
            if matches!(created, Ok(true)) {
                winners.push(key);
            }
        }
        desk.app.dynamo.set(Weather::Fair);
        let id = domain::OrganizationId::parse("org_contended").unwrap();
        let there = desk.app.bundle.table.find_organization(&id).await.unwrap().unwrap();
        assert_eq!(winners, [there.cursor_key], "{weather:?}");
    }
}
