/* only its loading matters */ self.sub = true;
