//! Threat 20: requests to the pages in masses while the platform is slow.

use super::*;

const CREATE: &str = "/cgi-bin/qrcode/create";

/// Requests of each kind; with both the server has few connections left.
const EACH: usize = 150;

/// More threads than this for all that waits would grow with what strangers send.
const THREADS: usize = 32;

/// Resident memory that the flood may take, in KiB.
const MEMORY: usize = 32 * 1024;

/// Opens a connection and sends this, without waiting for the answer.
fn sent(account: &Account, n: usize, request: Request) -> Wire {
    let address = format!("198.51.{}.{}", 100 + n / 250, n % 250);
    let request = request
        .header("Origin", SITE)
        .header("X-Forwarded-For", &address);
    let mut wire = Wire::connect(account.address()).unwrap();
    wire.send(&request.bytes()).unwrap();
    wire
}

#[test]
fn threat_20_a_flood_of_log_ins_while_the_platform_hangs_takes_nothing_from_pushes() {
    let platform = Platform::start();
    let account = setup(&platform).set("web.rate", "10").start();
    let backs: Vec<Request> = (0..EACH)
        .map(|n| {
            let from = format!("203.0.113.{n}");
            let login = Request::new("GET", "/wx/login/all").header("X-Forwarded-For", &from);
            let begun = Browser::new(&account).send(login);
            Request::new("GET", &sent_back(&begun, &code(&format!("oFlood{n}"))))
        })
        .collect();
    account.post(&text("hello")).is_status(200);
    let before = Vitals::of(account.pid());
    platform.always(EXCHANGE, Fault::Hang);
    platform.always(CREATE, Fault::Hang);
    let mut wires: Vec<Wire> = Vec::new();
    for (n, back) in backs.into_iter().enumerate() {
        wires.push(sent(&account, 2 * n, back));
        wires.push(sent(&account, 2 * n + 1, Request::new("POST", "/wx/scan")));
    }
    eventually("the calls", account.log(), || platform.count(EXCHANGE) >= 4);
    // One address has its rate, however it tries.
    let statuses: Vec<u16> = (0..3 * EACH)
        .map(|_| Browser::new(&account).get("/wx/login/all").response.status)
        .collect();
    assert!(statuses.contains(&429) && statuses.iter().all(|status| [302, 429].contains(status)));
    for _ in 0..20 {
        let answer = account.post(&text("hello"));
        answer.is_status(200);
        answer.expect(answer.took < IN_TIME, "in time");
    }
    // Checks are free of the rate for the proxy, and wait for nobody.
    assert_eq!(Browser::new(&account).check("all"), 401);
    let most = Vitals::of(account.pid());
    assert!(most.threads <= before.threads + THREADS, "{before} {most}");
    assert!(most.rss <= before.rss + MEMORY, "{before} {most}");
    // As many calls at a time as there are threads for them, and no more QR codes than a minute has.
    assert!(platform.count(EXCHANGE) <= 16 && platform.count(CREATE) <= 60);
    platform.always(EXCHANGE, Fault::Errcode(-1, "system error"));
    platform.always(CREATE, Fault::Errcode(-1, "system error"));
    platform.release();
    let mut answered = [0; 2];
    for mut wire in wires {
        let response = wire.response().unwrap();
        assert!([200, 201, 503].contains(&response.status), "{response:?}");
        answered[usize::from(response.status == 503)] += 1;
    }
    assert!(answered.iter().all(|count| *count > 0), "{answered:?}");
    platform.heal();
    Browser::new(&account)
        .calling_itself("MicroMessenger")
        .send(Request::new("GET", "/wx/login/all").header("X-Forwarded-For", "192.0.2.1"))
        .is_status(302);
}
