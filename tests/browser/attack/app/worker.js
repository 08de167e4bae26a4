self.onmessage = ({ data }) => { eval(data); };
