self.onconnect = ({ ports: [port] }) => { port.onmessage = ({ data }) => { eval(data); }; port.start(); };
