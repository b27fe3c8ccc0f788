fetch("/api/v1/asyncapi.json")
  .then((response) => response.json())
  .then((schema) => AsyncApiStandalone.render({ schema }, document.getElementById("api")));
