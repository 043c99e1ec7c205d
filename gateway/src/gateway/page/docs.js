// Shows openapi.json. A file of its own, since the page's policy allows no script inside the page.

// Where this installation is, as the reader has reached it; the document's examples name another host.
const HERE = new URL("..", location.href).href.replace(/\/$/, "");
const DOCUMENT = new URL("openapi.json", location.href).href;

// Returns the text of the document with the address of this installation, and with forms whose optional fields are
// empty: what is filled in is sent, and there may be no collection of the name in the example.
function adapted(text) {
  const described = JSON.parse(text.replaceAll("https://imghost.example", HERE));
  const schemas = described.components.schemas;
  const { properties, required } = schemas.UploadForm;
  for (const name of Object.keys(properties).filter((each) => !required.includes(each))) {
    const named = properties[name].$ref?.split("/").pop();
    properties[name] = { ...(named ? schemas[named] : properties[name]), examples: [""] };
  }
  return JSON.stringify(described);
}

SwaggerUIBundle({
  dom_id: "#page",
  url: DOCUMENT,
  responseInterceptor: (answer) => {
    if (answer.url === DOCUMENT) {
      answer.text = adapted(answer.text);
    }
    return answer;
  },
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  docExpansion: "list",
  validatorUrl: null, // else the page would ask a server elsewhere
});
