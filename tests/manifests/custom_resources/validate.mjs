// Read a custom resource as JSON from standard input; end with status 1 and the faults if it is not valid.
import { readFileSync } from "node:fs";

const document = JSON.parse(readFileSync(0, "utf8"));
const packages = {
  "cert-manager.io": "cert-manager",
  "external-secrets.io": "external-secrets",
  "keda.sh": "keda",
  "monitoring.coreos.com": "prometheus-operator",
};
const [group] = document.apiVersion.split("/");
const models = await import(`@kubernetes-models/${packages[group]}/${document.apiVersion}`);
try {
  new models[document.kind](document).validate();
} catch (fault) {
  console.error(fault.message);
  process.exit(1);
}
