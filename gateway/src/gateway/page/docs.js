// Shows openapi.json. A file of its own, since the page's policy allows no script inside the page.
SwaggerUIBundle({
  dom_id: "#page",
  url: "openapi.json",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  docExpansion: "list",
  validatorUrl: null, // else the page would ask a server elsewhere
});
