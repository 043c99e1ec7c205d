"""The order of a whole run, from the first check to the end of the last process."""

import os
import secrets
import string
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

from embedded import report, run_env
from embedded.faults import RunFailed
from embedded.home import Home, locked, shown
from embedded.parts import broker, disk, install, own_s3, rabbitmq, s3
from embedded.parts.ports import LOOPBACK, Ports, free_ports, is_listening, read_ports
from embedded.parts.services import Account, ServicePorts, Services
from embedded.processes import leftovers
from embedded.processes.ready import answers_ok
from embedded.processes.signals import ignore_further_stops
from embedded.processes.stack import Stack
from embedded.processes.terminal import Stopwatch, headline, say, warn
from embedded.sample.picture import paint
from embedded.sample.upload import Client, put_in

USERNAME = "demo"
PATIENCE_S = 90.0
"""For each step on a slow machine. On a laptop a step takes seconds."""


@dataclass(frozen=True)
class Options:
    """The options of the command line; `json_to` is where a JSON document goes that says how to use the run, if any."""

    sample: bool = True
    once: bool = False
    json_to: TextIO | None = None


@dataclass(frozen=True)
class Outside:
    """The servers that the caller named; they run already, and this run starts none in their place."""

    broker: str
    s3: s3.Storage | None

    def require(self) -> None:
        """Raise `RunFailed` unless each of them accepts our credential."""
        if self.broker:
            broker.require(self.broker)
        if self.s3:
            own_s3.require(self.s3)


def run(home: Home, options: Options) -> None:
    """Start everything in `home`, show that it works and watch over it until `StopRequested`; then end everything.

    Raise `RunFailed` if something prevents the start or a process ends by itself.
    """
    with locked(home):
        if ended := leftovers.end(home):
            warn(f"ended {ended} processes that an earlier run had left")
        outside = Outside(os.environ.get("AMQP_URL", ""), own_s3.read(os.environ))
        ports = read_ports(os.environ, private_broker=not outside.broker, private_s3=outside.s3 is None)
        disk.check_before_start(home.root)
        outside.require()
        home.start_afresh()
        stack = Stack(home, also_check=partial(disk.check_while_running, home.root))
        try:
            _live(stack, home, ports, outside, options)
        except RunFailed as fault:
            disk.blame_disk(home.root, fault)
            raise
        finally:
            ignore_further_stops()
            stack.stop()


def _live(stack: Stack, home: Home, ports: Ports, outside: Outside, options: Options) -> None:
    _say_what_stays(home, outside)
    watch = Stopwatch()
    account = Account(USERNAME, _word(22))
    embedded = s3.EmbeddedS3(ports.s3, f"AKIA{_word(16, string.ascii_uppercase + '234567')}", _word(40))
    storage = outside.s3 or embedded.storage
    internal = free_ports(7, besides=astuple(ports))
    amqp_url, private_broker = outside.broker, None
    if not outside.broker:
        password = _word(24)
        amqp_url = rabbitmq.amqp_url(ports.amqp, password)
        broker_ports = rabbitmq.BrokerPorts(ports.amqp, *internal[:2])
        private_broker = rabbitmq.children(home, _rabbitmq_script(home), broker_ports, password)
    services = Services(home, storage, amqp_url, ServicePorts(ports.gateway, *internal[2:]), account)

    ours = " and ".join(name for name, theirs in (("RabbitMQ", outside.broker), ("S3", outside.s3)) if not theirs)
    watch.say(f"{f'starting {ours}, ' if ours else ''}making databases and keys ...")
    if not outside.s3:
        stack.start([embedded.child(home)])
    probes = stack.prepare(services.preparations())
    if private_broker:
        name_service, server = private_broker
        stack.start([name_service])
        stack.wait({"epmd": partial(is_listening, internal[1])}, PATIENCE_S)
        stack.start([server])
    if not outside.s3:
        probes["s3"] = embedded.answers
    stack.wait({"rabbitmq": partial(broker.accepts_us, amqp_url), **probes}, PATIENCE_S)
    if not outside.s3:
        embedded.make_bucket()
    watch.say(f"RabbitMQ is ready at {broker.without_password(amqp_url)}, S3 at {storage.shown}")
    watch.say("starting auth, catalog, imaging and the gateway ...")
    stack.start(services.children())
    stack.wait({name: answers_ok(url) for name, url in services.ready_urls().items()}, PATIENCE_S)
    gateway_url = f"http://{LOOPBACK}:{ports.gateway}"
    watch.say(f"all is ready at {gateway_url}")

    key = None
    if options.sample and not outside.s3:
        with Client(gateway_url, account) as client:
            key = put_in(client, paint(), stack.wait, watch)
            report.show_image(client.public_image(key))
    with run_env.published(home.run_env, _coordinates(gateway_url, storage, amqp_url, account) | services.of_status()):
        report.show_ways_in(gateway_url, account, key)
        if options.json_to:
            report.write_json(options.json_to, gateway_url, account, key)
        if options.once:
            say("Stopping everything, as --once says.")
        else:
            headline("Ctrl-C stops everything.")
            stack.watch()


def _say_what_stays(home: Home, outside: Outside) -> None:
    headline("imghost, all of it as plain processes on this machine")
    if outside.s3:
        say(f"Pictures go into the bucket {outside.s3.bucket} of {outside.s3.shown} and stay there.")
        say("Users, images and collections start fresh with each run; no sample picture is put in, as it would stay.")
    else:
        say("The embedded S3 keeps everything in memory and forgets it at the end, so each run starts fresh.")
    say(f"Everything is kept in {shown(home.run)}, the logs in {shown(home.logs)}")
    say()


def _word(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """Return a random word that needs no quoting in a shell, a URL or a settings file."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _rabbitmq_script(home: Home) -> Path:
    script = rabbitmq.find_script()
    if script is None:
        install.install_rabbitmq(home.logs / "apt.log")
        script = rabbitmq.find_script()
    if script is None:
        raise RunFailed(install.ADVICE)
    return script


def _coordinates(gateway_url: str, storage: s3.Storage, amqp_url: str, account: Account) -> dict[str, str]:
    return {
        "GATEWAY_URL": gateway_url,
        "S3_ENDPOINT_URL": storage.endpoint,
        "S3_BUCKET": storage.bucket,
        "AMQP_URL": amqp_url,
        "IMGHOST_USERNAME": account.username,
        "IMGHOST_PASSWORD": account.password,
        "AWS_ACCESS_KEY_ID": storage.access_key_id,
        "AWS_SECRET_ACCESS_KEY": storage.secret_access_key,
        "AWS_DEFAULT_REGION": storage.region,
    }
