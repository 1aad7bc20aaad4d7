//! Damaged files of the spool.

use std::path::PathBuf;
use std::time::Duration;

use domain_events::{Durability, Sdk, SpoolDamage};

use super::{Folder, builder, sdk};
use crate::publisher::order;
use crate::scripted_endpoint::{Act, Endpoint, client};

/// Creates a spool with five events. Returns their ids and the only file of the spool.
async fn spool_with_five_events(folder: &Folder) -> (Vec<String>, PathBuf) {
    let publisher = sdk("events", client("http://127.0.0.1:9"), &folder.0)
        .await
        .unwrap();
    let mut ids = Vec::new();
    for n in 0..5 {
        let receipt = publisher.emit(order(n)).await.unwrap();
        assert_eq!(receipt.durability, Durability::Spool);
        ids.push(receipt.event_id.to_string());
    }
    assert_eq!(publisher.shutdown(Duration::ZERO).await.in_spool, 5);
    drop(publisher);
    (ids, folder.0.join("000000000001.events"))
}

/// Opens a publisher on the folder, once the previous publisher has released the folder.
async fn open(endpoint: &Endpoint, folder: &Folder) -> Sdk {
    for _ in 0..500 {
        match sdk("events", endpoint.client(), &folder.0).await {
            Ok(publisher) => return publisher,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    panic!("the folder is still locked");
}

#[tokio::test]
async fn damaged_file_sends_all_other_events() {
    let folder = Folder::new("spool-damage");
    let (ids, file) = spool_with_five_events(&folder).await;
    // Wait until the first publisher has released the folder.
    drop(
        open(
            &Endpoint::start(|_, _| Act::Error(503, "ServiceUnavailable")).await,
            &folder,
        )
        .await,
    );
    tokio::time::sleep(Duration::from_millis(50)).await;
    let bytes = std::fs::read(&file).unwrap();
    let second = {
        let markers: Vec<usize> = (0..bytes.len())
            .filter(|at| bytes[*at..].starts_with(&[0xFF, b'E', b'V', 0xFE]))
            .collect();
        assert_eq!(markers.len(), 5);
        markers[1]
    };
    type Damage = Box<dyn Fn(&mut Vec<u8>)>;
    let flip = |at: usize| -> Damage { Box::new(move |bytes| bytes[at] ^= 0xFF) };
    let cases: Vec<(&str, Damage, Vec<usize>, u64)> = vec![
        ("header of the file", flip(3), vec![0, 1, 2, 3, 4], 1),
        ("start of a record", flip(second), vec![0, 2, 3, 4], 1),
        ("mark of a record", flip(second + 5), vec![0, 1, 2, 3, 4], 0),
        ("length", flip(second + 8), vec![0, 2, 3, 4], 1),
        ("longer length", flip(second + 11), vec![0, 2, 3, 4], 1),
        ("checksum", flip(second + 13), vec![0, 2, 3, 4], 1),
        (
            "checksum of the header",
            flip(second + 17),
            vec![0, 2, 3, 4],
            1,
        ),
        ("payload", flip(second + 60), vec![0, 2, 3, 4], 1),
        ("last byte", flip(bytes.len() - 1), vec![0, 1, 2, 3], 1),
        ("emptied", Box::new(Vec::clear), vec![], 1),
        (
            "truncated in the last record",
            Box::new(|bytes| bytes.truncate(bytes.len() - 7)),
            vec![0, 1, 2, 3],
            0,
        ),
        (
            "extended with zeros",
            Box::new(|bytes| bytes.resize(1_056_768, 0)),
            vec![0, 1, 2, 3, 4],
            1,
        ),
        (
            "a page of zeros",
            Box::new(move |bytes| bytes[second..second + 40].fill(0)),
            vec![0, 2, 3, 4],
            1,
        ),
        (
            "not written by a publisher",
            Box::new(|bytes| *bytes = b"SQLite format 3".repeat(100)),
            vec![],
            1,
        ),
    ];
    for (case, damage, arrives, damaged) in cases {
        let folder = Folder::new("spool-damaged");
        std::fs::create_dir_all(&folder.0).unwrap();
        let file = folder.0.join("000000000001.events");
        let mut content = bytes.clone();
        damage(&mut content);
        std::fs::write(&file, &content).unwrap();
        let endpoint = Endpoint::good().await;
        let refusing = builder("events", endpoint.client(), &folder.0)
            .spool_damage(SpoolDamage::Refuse)
            .build()
            .await;
        if damaged > 0 {
            let error = refusing.unwrap_err().to_string();
            let path = file.display().to_string();
            assert!(error.contains(&path), "{case}: {error}");
            assert!(
                !error.contains("SYSTEM"),
                "{case}: the error quotes a payload: {error}"
            );
            assert!(std::fs::read(&file).unwrap() == content, "{case}");
        } else {
            let _ = refusing.unwrap().shutdown(Duration::from_secs(20)).await;
        }
        let publisher = open(&endpoint, &folder).await;
        let receipt = publisher.emit(order("new")).await.unwrap();
        let report = publisher.shutdown(Duration::from_secs(20)).await;
        let found = (report.in_spool, report.damaged_in_spool);
        assert_eq!(found, (0, damaged), "{case}");
        let mut expected: Vec<String> = arrives.iter().map(|n| ids[*n].clone()).collect();
        expected.push(receipt.event_id.to_string());
        let mut arrived = endpoint.accepted_ids();
        expected.sort();
        arrived.sort();
        assert_eq!(arrived, expected, "{case}");
        let kept: Vec<PathBuf> = std::fs::read_dir(&folder.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().contains("set-aside"))
            .collect();
        assert_eq!(kept.len() as u64, damaged, "{case}");
    }
}
